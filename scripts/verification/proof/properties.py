"""What is proved, for every tenant t that the trust lets in and every other tenant u (`docs/proof.md`).

Each property is the absence of a request that would break it. z3 finds one, or shows that there is none; any
other answer is a failure. A request that it finds is put to the evaluator before it is believed.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import z3

from scripts.verification.proof import declared, evaluator, surroundings
from scripts.verification.proof.encoding import (
    Formula,
    Request,
    Several,
    Single,
    is_action,
    matches,
    matching,
)
from scripts.verification.proof.plan import Role, Tenancy
from scripts.verification.proof.policy import Policy, UnreadableError, parse_policy
from scripts.verification.proof.search import combinations
from tenkacloud.isolation import resource_names as names
from tenkacloud.isolation.places import pool_place, silo_place
from tenkacloud.isolation.policies import (
    MaintenanceScope,
    SessionScope,
    maintenance_session_policy,
    session_policy,
    silo_bucket_policy,
)
from tenkacloud.tenants.validation import TenantId

#: For one way in which a property may be broken: how long z3 may take, at each of several tries.
TIMEOUTS_MS: Final = (8_000, 12_000)
GUESS_MS: Final = 3_000
#: What is spent on looking for a request by trying, where z3 can't tell; and on each try.
SEARCH_MS: Final = 10_000
TRY_MS: Final = 200
_BUSY: Final = 4  # so many times as long on a machine whose processor was not ours for half of the time
TAG: Final = "aws:principaltag/tenantid"
_PREFIX: Final = "s3:prefix"
_LEADING_KEYS: Final = "dynamodb:leadingkeys"
#: Those of whose prefix S3 tells IAM. Of s3:ListBucketMultipartUploads it does not.
_LISTINGS: Final = ("s3:ListBucket", "s3:ListBucketVersions")
#: What AWS has for starting a session of a role.
_STARTING: Final = (
    "sts:AssumeRole",
    "sts:AssumeRoleWithWebIdentity",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoot",
)
_CHAINING: Final = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
#: What STS takes in a tag's value and no tenant id holds, of ASCII.
_FOREIGN: Final = "/.:=+@ "

#: Where a policy of the code has a literal, the proof has a symbol: a variable of this name.
_OWNER: Final = "proof:owner"
_BUCKET: Final = "proof:bucket"
#: Such a symbol is no bucket's name: where the code checks it, this one stands in.
_STAND_IN: Final = "proof-bucket"


@dataclass(frozen=True)
class Counterexample:
    """A request that breaks a property: by a session of `session`, at the expense of `other`."""

    session: str | None
    other: str
    request: evaluator.Request

    def __str__(self) -> str:
        """Return it for people."""
        who = "without a tag" if self.session is None else f"of tenant {self.session!a}"
        keys = {name: value for name, value in self.request.keys.items() if name != TAG}
        with_keys = f" with {keys}" if keys else ""
        about = f" (other tenant: {self.other!a})" if self.other else ""
        return f"a session {who}{about}: {self.request.action} on {self.request.resource!a}{with_keys}"


@dataclass(frozen=True)
class Result:
    """What came of one property, by its name. `problem` is empty if it was proved."""

    name: str
    milliseconds: float
    problem: str = ""
    counterexample: Counterexample | None = None

    @property
    def proved(self) -> bool:
        """Whether there is no request that breaks it."""
        return not self.problem


@dataclass
class _Constraints:
    """The symbols of one property, and what is known of them."""

    tenancy: Tenancy
    request: Request = field(default_factory=lambda: Request(z3.String("action"), z3.String("resource")))
    t: Formula = field(default_factory=lambda: z3.String("t"))
    u: Formula = field(default_factory=lambda: z3.String("u"))
    known: list[Formula] = field(default_factory=list)
    #: Where a request that breaks the property may be looked for first.
    guesses: list[Formula] = field(default_factory=list)
    #: Policies beside the plan's, for what to try.
    policies: list[Policy] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Say that the action has the form of one: `service:Name`."""
        self.known.append(z3.Contains(self.request.action, z3.StringVal(":")))

    def of_session(self) -> "_Constraints":
        """Say that the request is one of a session of t, a tag that the trust admits."""
        self.request.set(TAG, self.t)
        self.request.set("aws:principalarn", self.tenancy.role.arn)
        asked = assumption(self.t)
        self.known += [matching([self.tenancy.role.trust], asked, allow=True), *asked.side]
        # STS: no wildcard, nor what could end a variable
        self.known += [z3.Not(z3.Contains(self.t, each)) for each in "*?#${}"]
        return self

    def of_valid_tenant(self) -> "_Constraints":
        """Say that the request is one of a session of t, a valid tenant id."""
        self.request.set(TAG, self.t)
        self.request.set("aws:principalarn", self.tenancy.role.arn)
        self.known.append(is_tenant_id(self.t))
        return self

    def of_pair(self, t: str, u: str) -> Formula:
        """Return the formula that the two tenants are these."""
        return z3.And(self.t == z3.StringVal(t), self.u == z3.StringVal(u))

    def of_action(self, action: str) -> Formula:
        """Return the formula that the action is this."""
        return self.request.action == z3.StringVal(action)

    def with_other(self) -> "_Constraints":
        """Say that u is another valid tenant."""
        self.known += [is_tenant_id(self.u), self.t != self.u]
        return self


@dataclass(frozen=True)
class Property:
    """What is to be proved. `ask` does it."""

    name: str
    ask: Callable[[], Result]


#: Says with the evaluator whether a request that z3 has found breaks the property.
Confirm = Callable[[evaluator.Request], bool]


def prove(tenancy: Tenancy, only: str = "") -> list[Result]:
    """Prove every property, or those whose names begin with `only`; return what came of each.

    Raises:
        UnreadableError: a policy can't be encoded exactly.
    """
    of_each_role = (
        ("A", _isolation),
        ("A", _exports),
        ("B", _silo),
        ("C", _untagged),
        ("D", _trust),
        ("E", _own_work),
        ("F", _sessions),
    )
    of_the_plan = (("G", _surroundings), ("H", _functions), ("I", _standing))
    parts = [
        *((group, part, sessions) for sessions in declared.SESSIONS for group, part in of_each_role),
        *((group, part, declared.ACCESS) for group, part in of_the_plan),
    ]
    return [
        _named(each.ask(), sessions)
        for group, part, sessions in parts
        if group.startswith(only[:1])
        for each in part(tenancy.of(sessions))
        if each.name.startswith(only)
    ]


def _named(result: Result, sessions: declared.Sessions) -> Result:
    """Say of a result whose sessions it is about, where it is not the services'."""
    return result if sessions is declared.ACCESS else replace(result, name=f"{result.name} ({sessions.role})")


def is_tenant_id(value: Formula) -> Formula:
    """Return the formula that a text is a tenant id (`fields.TENANT_ID_PATTERN`)."""
    alphanumeric = z3.Union(z3.Range("a", "z"), z3.Range("A", "Z"), z3.Range("0", "9"))
    inner = z3.Union(alphanumeric, z3.Re("_"), z3.Re("-"))
    return z3.And(
        z3.InRe(value, z3.Concat(alphanumeric, z3.Star(inner))), z3.Length(value) <= 64  # noqa: PLR2004 - as there
    )  # fmt: skip


def assumption(tag: Formula | None) -> Request:
    """Return a request to start a session with a tag; the rest of it is free."""
    request = Request(z3.StringVal("sts:AssumeRole"), z3.String("assumed"), name="assumption")
    if tag is not None:
        request.set("aws:requesttag/tenantid", tag)
    return request


# --- A: what the role allows --------------------------------------------------------------------------------


def _isolation(tenancy: Tenancy) -> Iterator[Property]:
    """Allow statements alone: each lock has to hold by itself, so no Deny is counted on here."""
    allowing = _allowing(tenancy)
    bucket = names.bucket_arn(tenancy.data_bucket, tenancy.partition)

    def world() -> _Constraints:
        return _Constraints(tenancy).of_session().with_other()

    def allowed(at: _Constraints, *more: Formula) -> list[Formula]:
        return _by_statement(allowing, at, *more)

    confirm = _allows(allowing)
    at = world()
    theirs = z3.Concat(z3.StringVal(f"{bucket}/tenants/"), at.u, z3.StringVal("/"), z3.String("rest"))
    at.request.resource = theirs
    at.known += [_segment(theirs, f"{bucket}/tenants/") == at.u]
    at.guesses = [
        z3.And(at.of_pair(*pair), z3.String("rest") == z3.StringVal("b/x"), at.of_action(action))
        for pair in (("a", "ab"), ("a/b", "a"))
        for action in ("s3:GetObject", "s3:PutObject", "s3:GetObjectVersion", "s3:DeleteObjectVersion")
    ]
    yield _check_each("A1 no object of another tenant", at, allowed(at), confirm)

    at = world()
    at.request.resource = z3.StringVal(bucket)
    prefix = at.request.key(_PREFIX)
    assert isinstance(prefix, Single)  # noqa: S101 - for the type checker
    space = z3.Concat(z3.StringVal("tenants/"), at.u, z3.StringVal("/"))
    # Lemmas again: the only `/` after `tenants/` is where u ends.
    segment = _segment(prefix.value, "tenants/") == at.u
    has_one = z3.IndexOf(prefix.value, z3.StringVal("/"), len("tenants/")) >= 0
    at.known += [
        z3.Implies(z3.PrefixOf(space, prefix.value), segment),
        z3.Implies(z3.And(z3.PrefixOf(prefix.value, space), has_one), segment),
    ]
    shows = z3.Or(z3.PrefixOf(prefix.value, space), z3.PrefixOf(space, prefix.value))
    # A tenant called "tenants" has exports under a prefix that in the pool is everybody's.
    at.guesses = [
        z3.And(
            at.of_pair("a", "ab"),
            at.of_action("s3:ListBucketMultipartUploads"),
            prefix.present,
            prefix.value == z3.StringVal("tenants/a/"),
        ),
        *(
            z3.And(at.of_pair(t, "ab"), at.of_action(action), named)
            for t in ("a", "tenants")
            for action in ("s3:ListBucket", "s3:ListBucketVersions")
            for named in (
                z3.Not(prefix.present),
                z3.And(prefix.present, prefix.value == z3.StringVal("tenants/ab/")),
            )
        ),
    ]
    harmless = z3.And(is_action(at.request.action, _LISTINGS), prefix.present, z3.Not(shows))
    yield _check_each(
        "A2 no listing that shows another tenant's keys, nothing else on the bucket",
        at,
        allowed(at, z3.Not(harmless)),
        confirm,
    )

    for name, table in (("items", tenancy.data_table), ("record", tenancy.table)):
        at = world()
        arn = names.table_arn(table, tenancy.partition, tenancy.region, tenancy.account_id)
        below_it = z3.PrefixOf(z3.StringVal(f"{arn}/"), at.request.resource)  # its indexes and streams
        at.known.append(z3.Or(at.request.resource == z3.StringVal(arn), below_it))
        keys = at.request.key(_LEADING_KEYS)
        assert isinstance(keys, Several)  # noqa: S101 - for the type checker
        own_key, their_key = (z3.Concat(z3.StringVal("TENANT#"), tenant) for tenant in (at.t, at.u))
        at.guesses = [
            z3.And(
                at.request.resource == z3.StringVal(f"{arn}{below}"),
                at.of_action(action),
                at.of_pair("a", "ab"),
                named,
            )
            for action, below in (
                (tenancy.sessions.item_actions[0], ""),
                ("dynamodb:Scan", ""),
                ("dynamodb:Query", "/index/by-slug"),
            )
            for named in (
                z3.And(keys.count == 1, keys.values[0] == their_key),
                z3.And(keys.count == 2, keys.values[0] == own_key, keys.values[1] == their_key),  # noqa: PLR2004
                keys.count == 0,
            )
        ]
        theirs = z3.Or(z3.Not(keys.present), keys.any(lambda value, key=their_key: value == key))
        yield _check_each(f"A3 no {name} of another tenant", at, allowed(at, theirs), confirm)

    at = world()
    slug = z3.Star(z3.Union(z3.Range("a", "z"), z3.Range("0", "9"), z3.Re("-")))
    hexadecimal = z3.Union(z3.Range("0", "9"), z3.Range("a", "f"))
    anything_below = z3.Concat(z3.Re("/"), z3.Full(z3.ReSort(z3.StringSort())))
    # names.silo_bucket; a slug and a hash, maybe an object
    named = z3.Concat(slug, z3.Re("-"), z3.Loop(hexadecimal, 16, 16), z3.Option(anything_below))
    silo = names.bucket_arn(f"tenkacloud-{tenancy.environment}-silo-", tenancy.partition)
    at.request.resource = z3.Concat(z3.StringVal(silo), z3.String("named"))
    at.known.append(z3.InRe(z3.String("named"), named))
    at.guesses = [
        z3.And(
            at.of_pair("silo", "a"),
            z3.String("named") == z3.StringVal(f"a-{'0' * 16}{below}"),
            at.of_action(action),
        )
        for action, below in (
            ("s3:GetObject", "/x"),
            ("s3:DeleteObjectVersion", "/x"),
            ("s3:DeleteBucket", ""),
        )
    ]
    yield _check_each("A4 nothing on a silo bucket, even before it has its policy", at, allowed(at), confirm)

    at = world()
    keys = at.request.key(_LEADING_KEYS)
    assert isinstance(keys, Several)  # noqa: S101 - for the type checker
    record = names.table_arn(tenancy.table, tenancy.partition, tenancy.region, tenancy.account_id)
    at.guesses = [
        z3.And(
            at.of_pair("a", "ab"),
            at.request.resource == z3.StringVal(record),
            at.of_action("dynamodb:UpdateItem"),
            keys.count == 1,
            keys.values[0] == z3.Concat(z3.StringVal("TENANT#"), at.t),
        ),
        *(
            z3.And(
                at.of_pair("a", "ab"), at.request.resource == z3.StringVal("another"), at.of_action(action)
            )
            for action in ("s3:GetObject", "iam:PassRole", "secretsmanager:GetSecretValue")
        ),
        *(
            z3.And(
                at.of_pair("a", "ab"),
                at.request.resource == z3.StringVal(names.bucket_arn(own, tenancy.partition)),
                at.of_action(action),
            )
            for own in (f"{tenancy.data_bucket}/tenants/a/x", f"{tenancy.exports_bucket}/a/x")
            for action in ("s3:DeleteObject", "s3:PutObjectAcl")
        ),
    ]
    yield _check_each(
        "A5 nothing but one's own, of all actions and resources",
        at,
        allowed(at, z3.Not(_own(at, tenancy.sessions))),
        confirm,
    )


def _exports(tenancy: Tenancy) -> Iterator[Property]:
    """The same of the exports bucket, where the keys begin with the tenant's id."""
    allowing = _allowing(tenancy)
    bucket = names.bucket_arn(tenancy.exports_bucket, tenancy.partition)
    confirm = _allows(allowing)
    at = _Constraints(tenancy).of_session().with_other()
    theirs = z3.Concat(z3.StringVal(f"{bucket}/"), at.u, z3.StringVal("/"), z3.String("rest"))
    at.request.resource = theirs
    at.known.append(_segment(theirs, f"{bucket}/") == at.u)
    at.guesses = [
        z3.And(at.of_pair("a", "ab"), z3.String("rest") == z3.StringVal("x"), at.of_action("s3:GetObject"))
    ]
    yield _check_each("A6 no export of another tenant", at, _by_statement(allowing, at), confirm)

    at = _Constraints(tenancy).of_session().with_other()
    at.request.resource = z3.StringVal(bucket)
    prefix = at.request.key(_PREFIX)
    assert isinstance(prefix, Single)  # noqa: S101 - for the type checker
    space = z3.Concat(at.u, z3.StringVal("/"))
    segment = _segment(prefix.value, "") == at.u
    has_one = z3.Contains(prefix.value, z3.StringVal("/"))
    at.known += [
        z3.Implies(z3.PrefixOf(space, prefix.value), segment),
        z3.Implies(z3.And(z3.PrefixOf(prefix.value, space), has_one), segment),
    ]
    shows = z3.Or(z3.PrefixOf(prefix.value, space), z3.PrefixOf(space, prefix.value))
    at.guesses = [
        z3.And(at.of_pair("a", "ab"), at.of_action("s3:ListBucket"), named)
        for named in (
            z3.Not(prefix.present),
            z3.And(prefix.present, prefix.value == z3.StringVal("ab/")),
        )
    ]
    harmless = z3.And(is_action(at.request.action, _LISTINGS), prefix.present, z3.Not(shows))
    yield _check_each(
        "A7 no listing that shows another tenant's exports, nothing else on their bucket",
        at,
        _by_statement(allowing, at, z3.Not(harmless)),
        confirm,
    )


def _segment(text: Formula, before: str) -> Formula:
    """Return what stands between `before` and the next `/`.

    Saying that this is u, where u stands there and holds no `/`, says nothing new, but z3 needs to be told.
    """
    start = len(before)
    return z3.SubString(text, start, z3.IndexOf(text, z3.StringVal("/"), start) - start)


def _allows(allowing: Sequence[Policy]) -> Confirm:
    return lambda request: bool(evaluator.matching(allowing, request, allow=True))


def _by_statement(allowing: Sequence[Policy], at: _Constraints, *more: Formula) -> list[Formula]:
    """Return the formulas that a request is allowed, by one statement each, and that more is true of it."""
    return [
        z3.And(matches(statement, at.request), *more)
        for policy in allowing
        for statement in policy.statements
        if statement.allow
    ]


def _allowing(tenancy: Tenancy) -> list[Policy]:
    """Return the policies of which an Allow lets a tenant's session do something."""
    return [*tenancy.role.policies, *(_for_role(policy, tenancy) for policy in tenancy.resource_policies)]


def _for_role(policy: Policy, tenancy: Tenancy) -> Policy:
    """Return the statements of a resource policy whose principal may be a tenant's session."""
    session = f":assumed-role/{tenancy.role.name}/"
    account = {tenancy.account_id, f"arn:{tenancy.partition}:iam::{tenancy.account_id}:root"}

    def is_for_role(kind: str, value: str) -> bool:
        if kind == "*":
            return True
        return kind == "AWS" and (value in account or value == tenancy.role.arn or session in value)

    return Policy(
        policy.name,
        tuple(
            statement
            for statement in policy.statements
            if any(is_for_role(*principal) for principal in statement.principals)
        ),
    )


def _own(
    at: _Constraints,
    sessions: declared.Sessions,
    *,
    pool: bool = True,
    silo: Formula | None = None,
    exports: bool = True,
) -> Formula:
    """Return the formula that a request is on t's own data, where the sessions may have it.

    `pool`: in the pool; `silo`: in the bucket of this ARN; `exports`: in the exports bucket.
    """
    tenancy = at.tenancy
    action, resource = at.request.action, at.request.resource
    prefix = at.request.key(_PREFIX)
    keys = at.request.key(_LEADING_KEYS)
    assert isinstance(prefix, Single)  # noqa: S101 - for the type checker
    assert isinstance(keys, Several)  # noqa: S101 - for the type checker
    key = z3.Concat(z3.StringVal("TENANT#"), at.t)
    own_keys = z3.And(keys.present, keys.all(lambda value: value == key))

    def within(
        bucket: Formula, space: Formula | None, object_actions: Sequence[str], listings: Sequence[str]
    ) -> Formula:
        objects = [bucket, z3.StringVal("/"), *([] if space is None else [space])]
        listed = [] if space is None else [prefix.present, z3.PrefixOf(space, prefix.value)]
        return z3.Or(
            z3.And(is_action(action, object_actions), z3.PrefixOf(z3.Concat(*objects), resource)),
            z3.And(is_action(action, listings), resource == bucket, *listed),
        )

    places = []
    if pool:
        bucket = z3.StringVal(names.bucket_arn(tenancy.data_bucket, tenancy.partition))
        space = z3.Concat(z3.StringVal("tenants/"), at.t, z3.StringVal("/"))
        places.append(within(bucket, space, sessions.object_actions, sessions.list_actions))
    if silo is not None:
        places.append(within(silo, None, sessions.object_actions, sessions.silo_list_actions))
    if exports and sessions.export_actions:
        bucket = z3.StringVal(names.bucket_arn(tenancy.exports_bucket, tenancy.partition))
        space = z3.Concat(at.t, z3.StringVal("/"))
        places.append(within(bucket, space, sessions.export_actions, sessions.export_list_actions))
    tables = [
        z3.And(is_action(action, actions), resource == z3.StringVal(_table(table, tenancy)), own_keys)
        for table, actions in (
            (tenancy.data_table, sessions.item_actions),
            (tenancy.table, sessions.record_actions),
        )
        if actions
    ]
    return z3.Or(*places, *tables)


def _table(name: str, tenancy: Tenancy) -> str:
    return names.table_arn(name, tenancy.partition, tenancy.region, tenancy.account_id)


# --- B: silo buckets ----------------------------------------------------------------------------------------


def _silo(tenancy: Tenancy) -> Iterator[Property]:
    """The policy of u's bucket, by itself: whatever else allows, it keeps t out, and lets u in."""
    policy = _silo_policy(tenancy)
    everybody = Policy(policy.name, tuple(s for s in policy.statements if ("*", "*") in s.principals))
    for_role = _for_role(policy, tenancy)

    def on_bucket(at: _Constraints, owner: Formula) -> None:
        at.request.set(_OWNER, owner)
        at.request.set(_BUCKET, z3.String("bucket"))
        arn = z3.Concat(z3.StringVal(names.bucket_arn("", tenancy.partition)), z3.String("bucket"))
        below = z3.Concat(arn, z3.StringVal("/"), z3.String("key"))
        at.known.append(z3.Or(at.request.resource == arn, at.request.resource == below))
        at.known.append(is_action(at.request.action, ["s3:*"]))
        an_object = z3.And(*(z3.String(name) == z3.StringVal(name) for name in ("bucket", "key")))
        at.guesses = [
            z3.And(at.of_pair("a", "ab"), at.of_action(action), at.request.resource == place, an_object)
            for action, place in (("s3:GetObject", below), ("s3:ListBucket", arn))
        ]

    at = _Constraints(tenancy).of_session().with_other()
    on_bucket(at, at.u)
    yield _check(
        "B1 a silo bucket's policy denies every other tenant everything",
        at,
        z3.Not(matching([everybody], at.request, allow=False)),
        lambda request: not evaluator.matching([everybody], request, allow=False),
    )
    at = _Constraints(tenancy).of_session().with_other()
    on_bucket(at, at.u)
    yield _check(
        "B2 a silo bucket's policy allows no other tenant anything",
        at,
        matching([for_role], at.request, allow=True),
        _allows([for_role]),
    )
    at = _Constraints(tenancy, policies=[for_role]).of_session()
    at.known.append(is_tenant_id(at.t))
    on_bucket(at, at.t)
    arn = z3.Concat(z3.StringVal(names.bucket_arn("", tenancy.partition)), z3.String("bucket"))
    own = z3.Or(
        z3.And(
            is_action(at.request.action, tenancy.sessions.object_actions),
            z3.PrefixOf(z3.Concat(arn, z3.StringVal("/")), at.request.resource),
        ),
        z3.And(is_action(at.request.action, tenancy.sessions.silo_list_actions), at.request.resource == arn),
    )
    yield _check(
        "B3 a silo bucket's policy allows its own tenant objects and listings, nothing else",
        at,
        z3.And(matching([for_role], at.request, allow=True), z3.Not(own)),
        _allows([for_role]),
    )
    yield _stated(
        "B4 a silo bucket's policy lets in nobody but the two roles, each by itself",
        lambda tenancy: surroundings.strangers_at_a_silo(policy, tenancy),
        tenancy,
    )
    if tenancy.sessions is declared.ACCESS:
        closed = _for_role(_silo_policy(tenancy, open_to_tenant=False), tenancy)
        at = _Constraints(tenancy, policies=[closed]).of_session()
        on_bucket(at, at.t)
        yield _check(
            "B5 the target of a move allows its own tenant's services nothing",
            at,
            matching([closed], at.request, allow=True),
            _allows([closed]),
        )
    else:
        as_open, closed = (
            _for_role(_silo_policy(tenancy, open_to_tenant=open_to_tenant), tenancy)
            for open_to_tenant in (True, False)
        )
        name = "B6 the target of a move allows maintenance what any silo bucket does"
        problem = "" if as_open == closed else "rejected: its statements differ"
        yield Property(name, lambda: Result(name, 0, problem))


def _silo_policy(tenancy: Tenancy, *, open_to_tenant: bool = True) -> Policy:
    """Return the policy of a silo bucket, a symbol each for its name and its tenant."""
    arns = [tenancy.roles[sessions.role].arn for sessions in declared.SESSIONS]
    document = silo_bucket_policy(
        f"${{{_BUCKET}}}", TenantId(f"${{{_OWNER}}}"), *arns, open_to_tenant=open_to_tenant
    )
    return parse_policy("silo_bucket_policy", document, with_principals=True)


# --- C: sessions without a tenant ---------------------------------------------------------------------------


def _untagged(tenancy: Tenancy) -> Iterator[Property]:
    allowing = _allowing(tenancy)
    at = _Constraints(tenancy)
    at.request.unset(TAG)
    at.known.append(is_tenant_id(at.u))
    yield _check_each(
        "C1 a session without the tag is allowed nothing",
        at,
        _by_statement(allowing, at),
        _allows(allowing),
        session=None,
    )
    for name, tag in (("C2 a session without the tag", None), ("C3 a session with an empty tag", "")):
        at = _Constraints(tenancy)
        if tag is None:
            at.request.unset(TAG)
        else:
            at.request.set(TAG, tag)
        at.known += [is_tenant_id(at.u), at.t == z3.StringVal("")]
        yield _check(
            f"{name} is denied everything",
            at,
            z3.Not(matching(tenancy.role.policies, at.request, allow=False)),
            lambda request: not evaluator.matching(tenancy.role.policies, request, allow=False),
            session=tag,
        )


# --- D: who may start a session -----------------------------------------------------------------------------


def _trust(tenancy: Tenancy) -> Iterator[Property]:
    trust = [tenancy.role.trust]
    if any(not statement.allow for statement in tenancy.role.trust.statements):
        raise UnreadableError(f"{tenancy.role.trust.name} holds a Deny")
    trusted = surroundings.trusted_arns(tenancy)

    def asks(name: str, broken: Callable[[Request], Formula], *but: str) -> Property:
        request = Request(z3.String("action"), z3.String("assumed"), name="assumption")
        at = _Constraints(tenancy, request=request)
        at.known += [is_tenant_id(at.u), z3.Not(is_action(request.action, but))]
        tag = at.request.key("aws:requesttag/tenantid")
        assert isinstance(tag, Single)  # noqa: S101 - for the type checker
        at.known.append(z3.Implies(tag.present, at.t == tag.value))
        at.guesses = [at.of_action(action) for action in _STARTING]
        return _check(
            name,
            at,
            z3.And(matching(trust, at.request, allow=True), broken(at.request)),
            _allows(trust),
        )

    def single(request: Request, name: str) -> Single:
        key = request.key(name)
        assert isinstance(key, Single)  # noqa: S101 - for the type checker
        return key

    def not_only(request: Request, name: str) -> Formula:
        key = request.key(name)
        assert isinstance(key, Several)  # noqa: S101 - for the type checker
        return z3.Or(z3.Not(key.present), key.any(lambda value: value != z3.StringVal(declared.TENANT_TAG)))

    def by_stranger(request: Request) -> Formula:
        principal = single(request, "aws:principalarn")
        known = z3.Or(*(principal.value == z3.StringVal(arn) for arn in trusted))
        return z3.And(principal.present, z3.Not(known))

    def bad_tag(request: Request) -> Formula:
        tag = single(request, "aws:requesttag/tenantid")
        foreign = [z3.Contains(tag.value, character) for character in _FOREIGN]
        return z3.Or(z3.Not(tag.present), tag.value == z3.StringVal(""), *foreign)

    # TagSession and SetSourceIdentity start nothing: they are part of what does.
    yield asks(
        "D1 only functions that are declared start sessions", by_stranger, *declared.SESSION_ACTIONS[1:]
    )
    for name, broken in (
        ("D2 no session without the tag, or with characters that no tenant id holds", bad_tag),
        ("D3 no session with another tag", lambda request: not_only(request, "aws:tagkeys")),
        ("D4 the tag is transitive", lambda request: not_only(request, "sts:transitivetagkeys")),
    ):
        yield asks(name, broken, "sts:SetSourceIdentity")

    at = _Constraints(tenancy).of_session().with_other()
    at.known.append(is_action(at.request.action, _CHAINING))
    at.guesses = [z3.And(at.of_pair("a", "ab"), at.of_action("sts:AssumeRole"))]
    yield _check(
        "D5 a session is denied to start another",
        at,
        z3.Not(matching(tenancy.role.policies, at.request, allow=False)),
        lambda request: not evaluator.matching(tenancy.role.policies, request, allow=False),
    )
    every_role = (*tenancy.others, *tenancy.roles.values())
    inviting = [other.name for other in every_role if _invites(other.trust, tenancy)]
    problem = f"the trust of {', '.join(inviting)} does" if inviting else ""
    name = "D6 no role's trust names tenants' sessions"
    yield Property(name, lambda: Result(name, 0, problem))
    yield asks(
        "D7 sessions are started by sts:AssumeRole alone, not with a token of somebody else's",
        lambda request: z3.Not(is_action(request.action, declared.SESSION_ACTIONS)),
    )
    yield _stated(
        "D8 the trust names nobody outside the account, and no service",
        surroundings.strangers_at_the_role,
        tenancy,
    )


def _invites(trust: Policy, tenancy: Tenancy) -> bool:
    """Tell whether a trust lets a tenant's session in by its name, without any permission of its own."""
    session = f":assumed-role/{tenancy.role.name}/"
    return any(
        statement.allow
        and (kind == "*" or (kind == "AWS" and (value == tenancy.role.arn or session in value)))
        for statement in trust.statements
        for kind, value in statement.principals
    )


# --- E: own work --------------------------------------------------------------------------------------------


def _own_work(tenancy: Tenancy) -> Iterator[Property]:
    """Everything together, denies included: each session can do its own work. An empty policy fails here."""
    resource = [_for_role(policy, tenancy) for policy in tenancy.resource_policies]
    allowing = [*tenancy.role.policies, *resource]
    for name, action, set_up in _own_requests(tenancy):
        at = _closed(tenancy, action)
        set_up(at)
        yield _allowed_check(f"E {name}", at, allowing)
    yield from _own_silo_work(tenancy, allowing, _silo_policy(tenancy))


def _own_silo_work(
    tenancy: Tenancy,
    allowing: Sequence[Policy],
    silo_policy: Policy,
    limits: Sequence[Policy] = (),
    *,
    group: str = "E",
    sessions: declared.Sessions | None = None,
) -> Iterator[Property]:
    """Yield that a session can do its work in a bucket of its tenant's own."""
    sessions = tenancy.sessions if sessions is None else sessions
    for action in (*sessions.object_actions, *sessions.silo_list_actions):
        at = _closed(tenancy, action)
        _in_own_silo(at, listing=action in sessions.silo_list_actions)
        everything = [*allowing, _for_role(silo_policy, tenancy)]
        yield _allowed_check(f"{group} {action} in one's own bucket", at, everything, limits)


def _closed(tenancy: Tenancy, action: str) -> _Constraints:
    """Return the world of an own request over TLS, in the right account, with no key but those set later."""
    request = Request(z3.StringVal(action), z3.String("resource"), closed=True)
    at = _Constraints(tenancy, request=request).of_valid_tenant()
    request.set("aws:securetransport", "true")
    request.set("aws:resourceaccount", tenancy.account_id)
    return at


def _in_own_silo(at: _Constraints, *, listing: bool) -> None:
    at.request.set(_OWNER, at.t)
    at.request.set(_BUCKET, z3.String("bucket"))
    arn = z3.Concat(z3.StringVal(names.bucket_arn("", at.tenancy.partition)), z3.String("bucket"))
    key = z3.Concat(arn, z3.StringVal("/"), z3.String("key"))
    at.request.resource = arn if listing else key
    named = z3.And(z3.String("bucket") == z3.StringVal("b"), z3.String("key") == z3.StringVal("x"))
    at.guesses.append(z3.And(at.of_pair("a", "ab"), named))


def _own_object(bucket: str, folder: str) -> Callable[[_Constraints], None]:
    def set_up(at: _Constraints) -> None:
        start = z3.StringVal(f"{names.bucket_arn(bucket, at.tenancy.partition)}/{folder}")
        at.request.resource = z3.Concat(start, at.t, z3.StringVal("/"), z3.String("rest"))

    return set_up


def _own_listing(bucket: str, folder: str) -> Callable[[_Constraints], None]:
    def set_up(at: _Constraints) -> None:
        at.request.resource = z3.StringVal(names.bucket_arn(bucket, at.tenancy.partition))
        listed = [at.t, z3.StringVal("/"), z3.String("rest")]
        at.request.set(_PREFIX, z3.Concat(*([z3.StringVal(folder)] if folder else []), *listed))

    return set_up


def _own_keys(table: str) -> Callable[[_Constraints], None]:
    def set_up(at: _Constraints) -> None:
        at.request.resource = z3.StringVal(_table(table, at.tenancy))
        at.request.set_all(_LEADING_KEYS, [z3.Concat(z3.StringVal("TENANT#"), at.t)])

    return set_up


def _own_requests(
    tenancy: Tenancy,
    sessions: declared.Sessions | None = None,
    *,
    pool: bool = True,
    exports: bool = True,
) -> Iterator[tuple[str, str, Callable[[_Constraints], None]]]:
    """Yield what a session has to be able to do outside a bucket of its tenant's own."""
    sessions = tenancy.sessions if sessions is None else sessions

    data, exported = tenancy.data_bucket, tenancy.exports_bucket
    groups: list[tuple[Sequence[str], str, Callable[[_Constraints], None]]] = [
        (sessions.item_actions, "", _own_keys(tenancy.data_table)),
        (sessions.record_actions, " record", _own_keys(tenancy.table)),
    ]
    if pool:
        groups += [
            (sessions.object_actions, "", _own_object(data, "tenants/")),
            (sessions.list_actions, "", _own_listing(data, "tenants/")),
        ]
    if exports:
        groups += [
            (sessions.export_actions, " export", _own_object(exported, "")),
            (sessions.export_list_actions, " exports", _own_listing(exported, "")),
        ]
    for actions, what, set_up in groups:
        for action in actions:
            yield f"{action} of one's own{what}", action, set_up


def _allowed_check(
    name: str, at: _Constraints, allowing: Sequence[Policy], limits: Sequence[Policy] = ()
) -> Property:
    """Check that every request of a world is allowed, and denied by nothing; by all of `limits`, too."""
    not_allowed = [
        z3.Not(matching(allowing, at.request, allow=True)),
        matching([*allowing, *limits], at.request, allow=False),
        *(z3.Not(matching([limit], at.request, allow=True)) for limit in limits),
    ]

    def confirm(request: evaluator.Request) -> bool:
        return not (
            evaluator.matching(allowing, request, allow=True)
            and not evaluator.matching([*allowing, *limits], request, allow=False)
            and all(evaluator.matching([limit], request, allow=True) for limit in limits)
        )

    return _check_each(name, at, not_allowed, confirm)


# --- F: session policies ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SessionPolicy:
    """A session policy, and what a session that is started with it is for."""

    name: str
    policy: Policy
    sessions: declared.Sessions
    pool: bool
    silo: bool
    exports: bool = False


def _sessions(tenancy: Tenancy) -> Iterator[Property]:
    """Each session policy by itself: nothing but t's own; and with the role's, t's work."""
    policies = _access_policies if tenancy.sessions is declared.ACCESS else _maintenance_policies
    silo_policy = _silo_policy(tenancy)
    for each in policies(tenancy):
        at = _Constraints(tenancy).of_session().with_other()
        at.request.set(_OWNER, at.t)
        at.policies = [each.policy]
        arn = None
        if each.silo:
            at.request.set(_BUCKET, z3.String("bucket"))
            at.known.append(z3.Not(z3.Contains(z3.String("bucket"), "/")))
            arn = z3.Concat(z3.StringVal(names.bucket_arn("", tenancy.partition)), z3.String("bucket"))
        pool = names.bucket_arn(tenancy.data_bucket, tenancy.partition)
        at.guesses = [
            z3.And(
                at.of_pair("a", "ab"),
                at.request.resource == z3.StringVal(f"{pool}/tenants/{tenant}/x"),
                at.of_action(action),
            )
            for tenant, action in (("ab", "s3:GetObject"), ("a", "s3:PutObject"))
        ]
        keys = at.request.key(_LEADING_KEYS)
        assert isinstance(keys, Several)  # noqa: S101 - for the type checker
        at.guesses.append(
            z3.And(
                at.of_pair("a", "ab"),
                at.request.resource == z3.StringVal(_table(tenancy.data_table, tenancy)),
                at.of_action("dynamodb:Query"),
                keys.count == 0,
            )
        )
        own = _own(at, each.sessions, pool=each.pool, silo=arn, exports=each.exports)
        yield _check_each(
            f"F1 a session policy ({each.name}) allows nothing but one's own",
            at,
            _by_statement([each.policy], at, z3.Not(own)),
            _allows([each.policy]),
        )
        for what, action, set_up in _own_requests(
            tenancy, each.sessions, pool=each.pool, exports=each.exports
        ):
            at = _closed(tenancy, action)
            at.request.set(_OWNER, at.t)
            if each.silo:
                at.request.set(_BUCKET, z3.String("bucket"))
            set_up(at)
            yield _allowed_check(
                f"F2 with a session policy ({each.name}), {what}", at, tenancy.role.policies, [each.policy]
            )
        # With exports, what a session policy says of the place is the same.
        if each.silo and not each.exports:
            yield from _own_silo_work(
                tenancy,
                tenancy.role.policies,
                silo_policy,
                [each.policy],
                group=f"F2 with a session policy ({each.name}),",
                sessions=each.sessions,
            )


def _access_policies(tenancy: Tenancy) -> Iterator[_SessionPolicy]:
    for name, silo in (("pool", None), ("silo", f"${{{_BUCKET}}}")):
        for suffix, read_only in (("", False), (", read-only", True)):
            scope = SessionScope(
                partition=tenancy.partition,
                region=tenancy.region,
                account_id=tenancy.account_id,
                table_name=tenancy.table,
                data_table_name=tenancy.data_table,
                data_bucket=tenancy.data_bucket,
                silo_bucket=silo,
                read_only=read_only,
            )
            document = session_policy(TenantId(f"${{{_OWNER}}}"), scope)
            yield _SessionPolicy(
                name=f"{name}{suffix}",
                policy=parse_policy(f"session_policy, {name}{suffix}", document),
                sessions=replace(declared.ACCESS, object_actions=declared.READ_ACTIONS)
                if read_only
                else declared.ACCESS,
                pool=silo is None,
                silo=silo is not None,
            )


def _maintenance_policies(tenancy: Tenancy) -> Iterator[_SessionPolicy]:
    pool, silo = pool_place(TenantId("t")), silo_place(_STAND_IN)
    for name, places, exports in (
        ("pool", (pool,), False),
        ("silo", (silo,), False),
        ("from one to the other", (pool, silo), False),
        ("export of the pool", (pool,), True),
        ("export of a silo", (silo,), True),
    ):
        scope = MaintenanceScope(
            partition=tenancy.partition,
            region=tenancy.region,
            account_id=tenancy.account_id,
            data_table_name=tenancy.data_table,
            data_bucket=tenancy.data_bucket,
            places=places,
            exports_bucket=tenancy.exports_bucket if exports else None,
        )
        document = json.dumps(maintenance_session_policy(TenantId(f"${{{_OWNER}}}"), scope))
        document = document.replace(_STAND_IN, f"${{{_BUCKET}}}")
        yield _SessionPolicy(
            name=name,
            policy=parse_policy(f"maintenance_session_policy, {name}", document),
            sessions=declared.MAINTENANCE,
            pool=pool in places,
            silo=silo in places,
            exports=exports,
        )


# --- G: what stands around the roles, H and I: the functions' roles -----------------------------------------


def _surroundings(tenancy: Tenancy) -> Iterator[Property]:
    for name, check in surroundings.CHECKS.items():
        yield _stated(name, check, tenancy)


def _functions(tenancy: Tenancy) -> Iterator[Property]:
    """Of each other role: nothing is allowed beyond what is declared for it."""
    for role in tenancy.others:
        service = surroundings.service_of(role, tenancy)

        def check(tenancy: Tenancy, role: Role = role, service: str = service) -> Iterator[str]:
            return surroundings.undeclared(role, service, tenancy)

        yield _stated(f"H {service} may do nothing beyond what is declared for it", check, tenancy)


def _standing(tenancy: Tenancy) -> Iterator[Property]:
    """Of each other role: whatever is declared for it, it reaches no tenant's data without a session."""
    for role in tenancy.others:

        def check(tenancy: Tenancy, role: Role = role) -> Iterator[str]:
            return surroundings.standing(role, tenancy)

        service = surroundings.service_of(role, tenancy)
        yield _stated(f"I {service} has no permission of its own on tenants' data", check, tenancy)


def _stated(name: str, check: surroundings.Check, tenancy: Tenancy) -> Property:
    """Return the property that a check finds nothing."""

    def ask() -> Result:
        started = time.monotonic()
        problem = surroundings.problems(check, tenancy)
        return Result(name, (time.monotonic() - started) * 1000, problem and f"rejected: {problem}")

    return Property(name, ask)


# --- asking z3 ----------------------------------------------------------------------------------------------


def _check(
    name: str, at: _Constraints, broken: Formula, confirm: Confirm, session: str | None = "t"
) -> Property:
    """Return the property that no request of a world breaks it."""
    return _check_each(name, at, [broken], confirm, session)


def _check_each(
    name: str, at: _Constraints, broken: Sequence[Formula], confirm: Confirm, session: str | None = "t"
) -> Property:
    """Return the property that no request of a world breaks it, in any of several ways.

    That is the same as one `Or` of them, but z3 decides each by itself in a fraction of the time.
    """

    def ask() -> Result:
        started = time.monotonic()
        answer, model = _decide(at, broken)
        milliseconds = (time.monotonic() - started) * 1000
        if answer == z3.unsat:
            return Result(name, milliseconds)
        if answer == z3.unknown:
            return Result(name, milliseconds, _UNDECIDED.format(seconds=milliseconds / 1000))
        found = _counterexample(at, model, session)
        if not confirm(found.request):
            return Result(name, milliseconds, f"z3 and the evaluator disagree on {found}", found)
        return Result(name, milliseconds, f"rejected: {found}", found)

    return Property(name, ask)


_UNDECIDED: Final = (
    "undecided after {seconds:.0f} s: no proof was found, and no request that breaks it, also not among "
    "those that the policies suggest. Rejected, since nothing was found"
)


def _decide(at: _Constraints, broken: Sequence[Formula]) -> tuple[Any, Any]:
    """Return z3's answer, and a model if there is one. A request counts that is found in any of the ways.

    z3 finds some requests only where it is told to look. A guess can reject a property, never prove it.
    """
    for guess in at.guesses:
        answer, model = _ask(at, z3.Or(*broken), GUESS_MS, guess)
        if answer == z3.sat:
            return answer, model
    for seed, limit in enumerate(TIMEOUTS_MS):  # what one order of steps does not find, another may
        undecided = []
        for way in broken:
            answer, model = _ask(at, way, limit, z3.BoolVal(val=True), seed)
            if answer == z3.sat:
                return answer, model
            if answer == z3.unknown:
                undecided.append(way)
        if not undecided:
            return z3.unsat, None
        broken = undecided
        if seed == 0:
            answer, model = _search(at, z3.Or(*broken))
            if answer == z3.sat:
                return answer, model
    return z3.unknown, None


def _ask(at: _Constraints, broken: Formula, limit: int, more: Formula, seed: int = 0) -> tuple[Any, Any]:
    solver = z3.Solver()
    solver.set("random_seed", seed)
    solver.add(more, *at.known, *at.request.side, broken)
    answer = _answer(solver, limit)
    return answer, solver.model() if answer == z3.sat else None


def _answer(solver: Any, limit: int) -> Any:
    """Return z3's answer within so many milliseconds of the processor.

    z3 goes by the clock, and on a busy machine would have less time than it is given. There it is asked anew.
    """
    for patience in (1, _BUSY):
        solver.set("timeout", patience * limit)
        started = time.process_time()
        answer = solver.check()
        if answer != z3.unknown or (time.process_time() - started) * 1000 > limit / 2:
            break
    return answer


def _search(at: _Constraints, broken: Formula) -> tuple[Any, Any]:
    """Look for a request that breaks a property among those that the policies suggest."""
    ends = time.process_time() + SEARCH_MS / 1000
    everything = z3.And(*at.known, *at.request.side, broken)
    for (t, u), action, resource in combinations(at.tenancy, at.policies):
        if time.process_time() > ends:
            break
        chosen = [(at.t, t), (at.u, u), (at.request.action, action), (at.request.resource, resource)]
        here = z3.And(*(symbol == z3.StringVal(text) for symbol, text in chosen))
        symbols = [(symbol, z3.StringVal(text)) for symbol, text in chosen if z3.is_const(symbol)]
        rest = z3.simplify(z3.substitute(everything, *symbols))
        if z3.is_false(rest):
            continue
        solver = z3.Solver()
        solver.add(rest, here)
        if _answer(solver, TRY_MS) == z3.sat:
            return z3.sat, solver.model()
    return z3.unknown, None


def _counterexample(at: _Constraints, model: Any, session: str | None) -> Counterexample:
    def text(symbol: Formula) -> str:
        return str(model.eval(symbol, model_completion=True).as_string())

    keys: dict[str, str | tuple[str, ...]] = {}
    for name, key in at.request.keys.items():
        if not z3.is_true(model.eval(key.present, model_completion=True)):
            continue
        if isinstance(key, Single):
            keys[name] = text(key.value)
        else:
            count = model.eval(key.count, model_completion=True).as_long()
            keys[name] = tuple(text(value) for value in key.values[:count])
    request = evaluator.Request(text(at.request.action), text(at.request.resource), keys)
    return Counterexample(text(at.t) if session == "t" else session, text(at.u), request)
