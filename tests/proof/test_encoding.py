"""The encoding against the evaluator: two writings of IAM's rules, which have to agree on every request."""

import json
from typing import Any

import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.verification.proof import encoding, evaluator
from scripts.verification.proof.policy import ARN_OPERATORS, MULTIVALUED, NEGATED, Policy, parse_policy
from tests.proof.conftest import value

# z3's Python side checks the types of every argument, which takes a third of the time here.
z3.z3.Z3_DEBUG = False

#: Requests for each generated policy: 500 × 20 = 10,000 cases.
POLICIES = 500
REQUESTS = 20

texts = st.sampled_from(
    ["", "a", "ab", "a/", "a/b", "A", "tenants/a/", "tenants/ab/x", "TENANT#a", "true", "*"]
)
arns = st.sampled_from(["arn:aws:s3:::b/tenants/a/x", "arn:aws:s3:::b/tenants/ab/x", "arn:aws:s3:::b",
                        "arn:aws:iam::1:role/x/y", "arn:aws:iam::1:role/x:y"])  # fmt: skip
actions = st.sampled_from(
    ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "dynamodb:Query", "sts:AssumeRole"]
)
variables = st.sampled_from(
    ["${aws:PrincipalTag/tenantId}", "${aws:principaltag/TENANTID}", "${aws:PrincipalTag/tenantId, 'a'}",
     "${s3:prefix}", "${*}", "${$}"]
)  # fmt: skip
pieces = st.sampled_from(["a", "ab", "/", "tenants/", "b", "TENANT#", ":", "arn:aws:s3:::b/"])
no_variable = st.lists(st.one_of(pieces, st.sampled_from(["*", "?"])), max_size=5).map("".join)
with_variable = st.lists(st.one_of(pieces, variables, st.just("*")), max_size=5).map("".join)
patterns = st.one_of(no_variable, with_variable, arns, texts)
action_patterns = st.sampled_from(
    ["*", "s3:*", "s3:Get*", "S3:getobject", "dynamodb:Que?y", "sts:AssumeRole", "*Object"]
)
single_keys = st.sampled_from(
    ["aws:PrincipalTag/tenantId", "s3:prefix", "aws:SecureTransport", "aws:PrincipalArn"]
)
several_keys = st.sampled_from(["dynamodb:LeadingKeys", "aws:TagKeys"])


@st.composite
def conditions(draw: Any) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 3))):
        several = draw(st.booleans())
        key = draw(several_keys if several else single_keys)
        base = draw(st.sampled_from(["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "Null",
                                     "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "ArnLike",
                                     "ArnNotEquals", "Bool"]))  # fmt: skip
        if base == "Null":
            block.setdefault("Null", {})[key] = draw(st.sampled_from(["true", "false"]))
            continue
        if base.startswith("Arn") or base.endswith("IgnoreCase"):
            values: Any = st.one_of(no_variable, arns, texts)
        elif base == "Bool":
            values = st.sampled_from(["true", "false"])
        else:
            values = patterns
        quantifier = draw(
            st.sampled_from(["ForAllValues:", "ForAnyValue:"] if several else ["", "", "ForAllValues:"])
        )
        suffix = draw(st.sampled_from(["", "", "IfExists"]))
        block.setdefault(f"{quantifier}{base}{suffix}", {})[key] = draw(
            st.lists(values, min_size=1, max_size=2)
        )
    return block


@st.composite
def policies(draw: Any) -> Policy:
    statements = []
    for _ in range(draw(st.integers(1, 3))):
        statements.append(
            {
                "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
                draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
                    st.lists(action_patterns, min_size=1, max_size=2)
                ),
                draw(st.sampled_from(["Resource", "Resource", "NotResource"])): draw(
                    st.lists(patterns, min_size=1, max_size=2)
                ),
                "Condition": draw(conditions()),
            }
        )
    return parse_policy("generated", json.dumps({"Version": "2012-10-17", "Statement": statements}))


keys = st.fixed_dictionaries(
    {},
    optional={
        "aws:principaltag/tenantid": texts,
        "s3:prefix": texts,
        "aws:securetransport": st.sampled_from(["true", "false", "TRUE"]),
        "aws:principalarn": arns,
        "dynamodb:leadingkeys": st.lists(texts, min_size=1, max_size=3).map(tuple),
        "aws:tagkeys": st.lists(texts, min_size=1, max_size=2).map(tuple),
    },
)
requests = st.builds(evaluator.Request, actions, st.one_of(arns, texts), keys)
seen = {"cases": 0, "allowed": 0, "denied": 0}


@settings(
    max_examples=POLICIES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    deadline=None,
)
@given(policies(), st.lists(requests, min_size=REQUESTS, max_size=REQUESTS))
def check(policy: Policy, many: list[evaluator.Request]) -> None:
    symbols = encoding.Request(z3.String("action"), z3.String("resource"))
    formulas = {allow: encoding.matching([policy], symbols, allow=allow) for allow in (True, False)}
    # A lemma that is not true of every request would prove too much
    lemmas = z3.And(*symbols.side)
    for request in many:
        values = values_of(symbols, request)
        for allow, formula in formulas.items():
            expected = bool(evaluator.matching([policy], request, allow=allow))
            assert is_true(z3.substitute(formula, *values)) == expected, (policy, request)
            seen["allowed" if allow else "denied"] += expected
        assert is_true(z3.substitute(lemmas, *values)), (policy, request)
        seen["cases"] += 1


def is_true(formula: Any) -> bool:
    answer = value(formula)
    assert z3.is_true(answer) or z3.is_false(answer), answer
    return bool(z3.is_true(answer))


def values_of(symbols: encoding.Request, request: evaluator.Request) -> list[Any]:
    """Return what to put for each symbol of a request."""
    pairs = [
        (symbols.action, z3.StringVal(request.action)),
        (symbols.resource, z3.StringVal(request.resource)),
    ]
    for name, key in symbols.keys.items():
        value = request.keys.get(name)
        if isinstance(key, encoding.Single):
            pairs.append((key.present, z3.BoolVal(value is not None)))
            pairs.append((key.value, z3.StringVal(value if isinstance(value, str) else "")))
        else:
            given = value if isinstance(value, tuple) else ()
            pairs.append((key.count, z3.IntVal(len(given))))
            pairs += [
                (symbol, z3.StringVal(given[n] if n < len(given) else ""))
                for n, symbol in enumerate(key.values)
            ]
    return pairs


def test_encoding_and_evaluator_agree_on_ten_thousand_requests() -> None:
    check()
    assert seen["cases"] >= 10_000
    # Not all of one kind
    assert seen["allowed"] > seen["cases"] / 50
    assert seen["denied"] > seen["cases"] / 100


def test_the_generated_policies_cover_what_is_supported() -> None:
    assert {"dynamodb:leadingkeys", "aws:tagkeys"} <= MULTIVALUED
    assert {"arnlike", "arnnotequals"} <= ARN_OPERATORS
    assert "stringnotlike" in NEGATED
