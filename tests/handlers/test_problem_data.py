"""The `problem-data` function: what its routes do with a tenant's data, and whom they deny."""

import base64
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from problem_data.api import ROUTES
from problem_data.requests import FILE_MAX, STATEMENT_MAX, parse_problem
from tenkacloud.errors import InvalidFieldError
from tests.handlers.conftest import DATA_BUCKET, DATA_TABLE, REGION, Cloud, LogLines

POOLED = {"M": {"s3Prefix": {"S": "tenants/a/"}}}
SILO = "tenkacloud-test-silo-a-0123456789abcdef"
SILOED = {"M": {"dedicatedBucket": {"S": SILO}}}


@pytest.fixture(params=["pool", "silo"])
def model(request: pytest.FixtureRequest, cloud: Cloud) -> str:
    """Two tenants, `a` and `ab`, of one isolation model."""
    for tenant_id in ("a", "ab"):
        if request.param == "pool":
            cloud.put(tenant_id, resources=POOLED)
        else:
            bucket = f"{SILO}{tenant_id}"
            cloud.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            cloud.put(tenant_id, resources={"M": {"dedicatedBucket": {"S": bucket}}})
    return str(request.param)


def event_of(route: str, tenant_id: str | None) -> dict[str, Any]:
    """Return the event of a request without body, as an HTTP API with a JWT authorizer makes it."""
    return {
        "version": "2.0",
        "routeKey": route,
        "requestContext": {"authorizer": {"jwt": {"claims": {"custom:tenantId": tenant_id}}}},
    }


def call(
    cloud: Cloud, route: str, tenant_id: str | None = "a", body: Any = None, **fields: Any
) -> dict[str, Any]:
    """Call the function with a request, the token being of `tenant_id`; return its answer, decoded."""
    event = {
        **event_of(route, tenant_id),
        "headers": fields.pop("headers", {"content-type": "application/json"}),
        "queryStringParameters": fields.pop("query", None),
        "pathParameters": fields,
    }
    if isinstance(body, bytes):
        event |= {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    elif body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    answer = cloud.run("problem-data", event)
    raw = answer.get("body")
    if answer.get("isBase64Encoded"):
        return {**answer, "body": base64.b64decode(raw)}
    return {**answer, "body": json.loads(raw) if raw else None}


def put_problem(cloud: Cloud, problem_id: str, tenant_id: str = "a", title: str = "A title") -> None:
    answer = call(
        cloud,
        "PUT /problems/{problemId}",
        tenant_id,
        {"title": title, "statement": "Do."},
        problemId=problem_id,
    )
    assert answer["statusCode"] == 200


def put_file(
    cloud: Cloud, problem_id: str, name: str, content: bytes, tenant_id: str = "a", **fields: Any
) -> Any:
    route = "PUT /problems/{problemId}/files/{name+}"
    return call(cloud, route, tenant_id, content, problemId=problem_id, name=name, **fields)


def get_file(cloud: Cloud, problem_id: str, name: str, tenant_id: str = "a") -> dict[str, Any]:
    return call(cloud, "GET /problems/{problemId}/files/{name+}", tenant_id, problemId=problem_id, name=name)


def test_a_problem_is_written_read_listed_and_deleted(cloud: Cloud, model: str) -> None:
    put_problem(cloud, "p1", title="Ein Rätsel 謎")
    read = call(cloud, "GET /problems/{problemId}", problemId="p1")
    assert read["statusCode"] == 200
    assert read["headers"] == {"Content-Type": "application/json"}
    assert {**read["body"], "updatedAt": None} == {
        "problemId": "p1",
        "title": "Ein Rätsel 謎",
        "statement": "Do.",
        "updatedAt": None,
    }
    (listed,) = call(cloud, "GET /problems")["body"]["problems"]
    assert listed == {name: read["body"][name] for name in ("problemId", "title", "updatedAt")}
    assert call(cloud, "DELETE /problems/{problemId}", problemId="p1")["statusCode"] == 204
    assert call(cloud, "GET /problems/{problemId}", problemId="p1")["statusCode"] == 404
    assert call(cloud, "DELETE /problems/{problemId}", problemId="p1")["statusCode"] == 204


def test_a_file_is_written_read_listed_and_deleted(cloud: Cloud, model: str) -> None:
    put_problem(cloud, "p1")
    content = bytes(range(256))
    written = put_file(cloud, "p1", "data/in.bin", content, headers={"content-type": "image/png"})
    assert written["body"] == {"name": "data/in.bin", "size": 256}
    read = get_file(cloud, "p1", "data/in.bin")
    assert read["body"] == content
    assert read["headers"] == {
        "Content-Type": "image/png",
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
    }
    bucket, prefix = (DATA_BUCKET, "tenants/a/") if model == "pool" else (f"{SILO}a", "")
    stored = cloud.s3.get_object(Bucket=bucket, Key=f"{prefix}problems/p1/data/in.bin")["Body"].read()
    assert stored == content
    listing = call(cloud, "GET /problems/{problemId}/files", problemId="p1")["body"]
    assert listing == {"files": [{"name": "data/in.bin", "size": 256}]}
    gone = call(cloud, "DELETE /problems/{problemId}/files/{name+}", problemId="p1", name="data/in.bin")
    assert gone["statusCode"] == 204
    assert get_file(cloud, "p1", "data/in.bin")["statusCode"] == 404


def test_tenants_see_their_own_only(cloud: Cloud, model: str) -> None:
    for tenant_id in ("a", "ab"):
        put_problem(cloud, "same", tenant_id, title=f"of {tenant_id}")
        put_file(cloud, "same", "f", tenant_id.encode(), tenant_id)
    for tenant_id in ("a", "ab"):
        assert [p["title"] for p in call(cloud, "GET /problems", tenant_id)["body"]["problems"]] == [
            f"of {tenant_id}"
        ]
        assert get_file(cloud, "same", "f", tenant_id)["body"] == tenant_id.encode()
    call(cloud, "DELETE /problems/{problemId}", "a", problemId="same")
    assert get_file(cloud, "same", "f", "ab")["body"] == b"ab"
    assert call(cloud, "GET /problems", "a")["body"] == {"problems": []}


def test_a_deleted_problem_takes_its_files_along_and_no_others(cloud: Cloud, model: str) -> None:
    for problem_id in ("p", "p1"):
        put_problem(cloud, problem_id)
        for name in ("x", "y/z"):
            put_file(cloud, problem_id, name, b"1")
    call(cloud, "DELETE /problems/{problemId}", problemId="p")
    assert call(cloud, "GET /problems/{problemId}/files", problemId="p")["body"] == {"files": []}
    assert len(call(cloud, "GET /problems/{problemId}/files", problemId="p1")["body"]["files"]) == 2


def test_lists_come_in_pages(cloud: Cloud, model: str) -> None:
    for number in range(5):
        put_problem(cloud, f"p{number}")
        put_file(cloud, "p0", f"f{number}", b"")
    for route, name, fields in (
        ("GET /problems", "problems", {}),
        ("GET /problems/{problemId}/files", "files", {"problemId": "p0"}),
    ):
        seen: list[Any] = []
        query = {"limit": "2"}
        while True:
            page = call(cloud, route, query=query, **fields)["body"]
            assert len(page[name]) <= 2
            seen += page[name]
            if "after" not in page:
                break
            query = {"limit": "2", "after": page["after"]}
        assert len({json.dumps(entry) for entry in seen}) == len(seen) == 5


@pytest.mark.parametrize(
    ("route", "fields", "said"),
    [
        ("GET /problems/{problemId}", {"problemId": "../x"}, "problemId '../x' is not a valid problem id"),
        ("GET /problems/{problemId}", {"problemId": "x\n"}, "problemId"),
        ("GET /problems/{problemId}/files/{name+}", {"problemId": "p", "name": "../../b/f"}, "name"),
        ("GET /problems/{problemId}/files/{name+}", {"problemId": "p", "name": "a//b"}, "name"),
        ("PUT /problems/{problemId}/files/{name+}", {"problemId": "p", "name": "x" * 513}, "name"),
        ("GET /problems", {"query": {"limit": "0"}}, "limit '0' is not a number from 1 to 100"),
        ("GET /problems", {"query": {"limit": "1e2"}}, "limit"),
        ("GET /problems", {"query": {"after": "TENANT#b"}}, "after"),
        ("GET /problems/{problemId}/files", {"problemId": "p", "query": {"after": "../b"}}, "after"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": "{"}, "body is not valid JSON"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": b"\xff"}, "body is not valid UTF-8"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": "[]"}, "body must be an object"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": "[" * 100_000}, "body is nested too deeply"),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": '{"a":' * 100_000},
            "body is nested too deeply",
        ),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": "null"}, "body is missing"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": ""}, "body is not valid JSON"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": "\ud800"}, "body is not valid UTF-8"),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": b'{"title": "\xed\xa0\x80"}'},
            "body is not valid UTF-8",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": '{"title": "t"}'.encode("utf-16")},
            "body is not valid UTF-8",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": r'{"title": "\ud800"}'},
            "title '\\ud800' holds",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": r'{"title": "t", "statement": "\udfff"}'},
            "statement holds half of a surrogate pair",
        ),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": '{"title": NaN}'}, "body is not valid JSON"),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": '{"title": "t", "x": -Infinity}'},
            "body is not valid JSON",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": '{"title": "t", "x": %s}' % ("9" * 5000)},
            "body holds a number of more than",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": '{"title": "t", "title": "u"}'},
            "body names 'title' twice",
        ),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": r'{"title": "t", "x": {"\ud800": 1, "\ud800": 2}}'},
            r"body names '\ud800' twice",
        ),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": {"title": 7}}, "title must be a string"),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": {"title": "t\x00"}}, "title"),
        ("PUT /problems/{problemId}", {"problemId": "\ud800", "body": {"title": "t"}}, "problemId '\\ud800'"),
        ("GET /problems/{problemId}", {"problemId": "p\x00"}, "problemId"),
        ("GET /problems", {"query": {"after": "\ud800"}}, "after '\\ud800'"),
        ("GET /problems", {"query": {"limit": "\ud800"}}, "limit '\\ud800'"),
        ("GET /problems", {"query": {"limit": "\u0661"}}, "limit"),
        ("GET /problems", {"query": {"limit": 5}}, "limit"),
        ("GET /problems", {"query": {"after": ["p"]}}, "after"),
        ("GET /problems/{problemId}/files", {"problemId": "p", "query": {"after": "x" * 513}}, "after"),
        ("DELETE /problems/{problemId}/files/{name+}", {"problemId": "p", "name": "a\x07"}, "name"),
        (
            "DELETE /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "\udcff"},
            "name '\\udcff'",
        ),
        (
            "PUT /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "f", "body": "\ud800"},
            "body is not valid UTF-8",
        ),
        (
            "PUT /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "f", "body": b"x", "headers": {"content-type": "\ud800/x"}},
            "Content-Type '\\ud800/x'",
        ),
        (
            "PUT /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "f", "body": b"x", "headers": {"content-type": None}},
            "Content-Type",
        ),
        ("PUT /problems/{problemId}", {"problemId": "p", "body": {"title": " "}}, "title is blank"),
        (
            "PUT /problems/{problemId}",
            {"problemId": "p", "body": {"title": "t", "statement": "x" * (STATEMENT_MAX + 1)}},
            "statement",
        ),
        (
            "PUT /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "f", "body": b"x", "headers": {"content-type": "a/b\r\nx: y"}},
            "Content-Type",
        ),
        (
            "PUT /problems/{problemId}/files/{name+}",
            {"problemId": "p", "name": "f", "body": b"x" * (FILE_MAX + 1)},
            f"body has {FILE_MAX + 1} bytes",
        ),
    ],
)
def test_bad_input_is_told(cloud: Cloud, route: str, fields: dict[str, Any], said: str) -> None:
    cloud.put("a", resources=POOLED)
    answer = call(cloud, route, "a", **fields)
    assert answer["statusCode"] == 400
    assert answer["body"]["message"].startswith(said)


@pytest.mark.parametrize(
    ("body", "flag", "said"),
    [
        ("eA", True, "body is not valid base64"),
        ("e A==", True, "body is not valid base64"),
        ("é===", True, "body is not valid base64"),
        ("\ud800", True, "body is not valid base64"),
        ("eA==", "true", "body comes with isBase64Encoded 'true'"),
        ({"title": "t"}, False, "body must be a string, not dict"),
        (b"eA==", False, "body must be a string, not bytes"),
    ],
)
def test_an_event_that_no_gateway_makes_is_told(cloud: Cloud, body: Any, flag: Any, said: str) -> None:
    cloud.put("a", resources=POOLED)
    put_problem(cloud, "p")
    for route in ("PUT /problems/{problemId}", "PUT /problems/{problemId}/files/{name+}"):
        fields = {"pathParameters": {"problemId": "p", "name": "f"}, "body": body, "isBase64Encoded": flag}
        answer = cloud.run("problem-data", {**event_of(route, "a"), **fields})
        assert (answer["statusCode"], json.loads(answer["body"])["message"][: len(said)]) == (400, said)


#: Bodies as clients send them, good or bad, and as API Gateway hands them on.
_any_text = st.text(st.characters())  # lone surrogates, too
_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_any_text, inner, max_size=3),
    max_leaves=5,
)
_problems = st.fixed_dictionaries(
    {}, optional={"title": _any_text | _any_json, "statement": _any_text | _any_json, "x": _any_json}
)
_bodies: st.SearchStrategy[Any] = (
    st.none()
    | _any_text
    | st.binary()
    | (_problems | _any_json).map(json.dumps)
    | _problems.map(lambda problem: json.dumps(problem, ensure_ascii=False))
    | _problems.map(lambda problem: base64.b64encode(json.dumps(problem).encode()).decode())
    | st.tuples(
        st.sampled_from(["[", '{"a":', '{"title":[', "[{}", '"\\ud800"', "\ufeff"]), st.integers(1, 20_000)
    ).map(lambda part: part[0] * part[1])
)
_parameters = st.none() | st.dictionaries(
    st.sampled_from(["problemId", "name", "limit", "after"]),
    st.sampled_from(["p", "f", "7"]) | _any_text | st.integers() | st.none(),
)
_headers = st.none() | st.dictionaries(
    st.sampled_from(["content-type", "x"]),
    st.sampled_from(["a/b", "application/json"]) | _any_text | st.none(),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # one AWS for all examples: what an earlier one wrote, a later one may read
@given(
    route=st.sampled_from(sorted(route for route in ROUTES if route.startswith("PUT")))
    | st.sampled_from(sorted(ROUTES)),
    body=_bodies,
    flag=st.booleans() | st.sampled_from([None, "true", 1]),
    path=st.just({"problemId": "p", "name": "f"}) | _parameters,
    query=_parameters,
    headers=_headers,
)
def test_whatever_a_request_holds_is_answered(cloud: Cloud, route: str, **parts: Any) -> None:
    if not cloud.item("a"):
        cloud.put("a", resources=POOLED)
    fields = {
        "body": parts["body"],
        "isBase64Encoded": parts["flag"],
        "pathParameters": parts["path"],
        "queryStringParameters": parts["query"],
        "headers": parts["headers"],
    }
    answer = cloud.run("problem-data", {**event_of(route, "a"), **fields})
    assert answer["statusCode"] in (200, 204, 400, 404)
    json.dumps(answer, ensure_ascii=False).encode()  # as Lambda's runtime hands it back
    # What it has written, if so, can be read
    assert cloud.run("problem-data", event_of("GET /problems", "a"))["statusCode"] == 200


@settings(max_examples=500)
@given(_bodies, st.booleans())
def test_a_problem_that_passes_can_be_written_and_read(body: Any, flag: bool) -> None:
    try:
        problem = parse_problem({"body": body, "isBase64Encoded": flag})
    except InvalidFieldError:
        return
    assert problem.title.encode()
    assert len(problem.statement.encode()) <= 4 * STATEMENT_MAX


def test_a_large_body_with_much_that_is_ignored_is_taken(cloud: Cloud) -> None:
    cloud.put("a", resources=POOLED)
    body = {"title": "t", "statement": "\U0001f600" * STATEMENT_MAX, "x": "y" * 1_000_000}
    answer = call(
        cloud, "PUT /problems/{problemId}", "a", body, problemId="p", headers={"content-type": "text/plain"}
    )
    assert answer["statusCode"] == 200
    assert call(cloud, "GET /problems/{problemId}", problemId="p")["body"]["statement"] == body["statement"]


def test_a_file_needs_its_problem(cloud: Cloud) -> None:
    cloud.put("a", resources=POOLED)
    answer = put_file(cloud, "nothing", "f", b"x")
    assert (answer["statusCode"], answer["body"]) == (404, {"message": "there is no problem nothing"})


@pytest.mark.parametrize(("too_many", "status"), [(0, 200), (1, 413)])
def test_a_file_too_large_for_an_answer_is_told(cloud: Cloud, too_many: int, status: int) -> None:
    cloud.put("a", resources=POOLED)
    put_problem(cloud, "p")
    # By other ways than the API, which takes none so large
    key, body = "tenants/a/problems/p/f", b"x" * (FILE_MAX + too_many)
    cloud.s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=body)
    assert get_file(cloud, "p", "f")["statusCode"] == status


@pytest.mark.parametrize(
    ("tenant_id", "said"),
    [
        ("suspended", "tenant 'suspended' is 'SUSPENDED', not ACTIVE"),
        ("unknown", "tenant 'unknown' is unknown"),
        ("unready", "tenant 'unready' has no resources; its provisioningStatus is 'PENDING'"),
        (None, "the token names no tenant: claim custom:tenantId is missing"),
        ("a/b", "the token names no tenant: claim custom:tenantId 'a/b' is not a valid tenant id"),
    ],
)
def test_who_is_denied_and_why(cloud: Cloud, logs: LogLines, tenant_id: str | None, said: str) -> None:
    cloud.put("suspended", resources=POOLED, status={"S": "SUSPENDED"})
    cloud.put("unready")
    answer = call(cloud, "GET /problems", tenant_id)
    assert answer["statusCode"] == 403
    assert answer["body"]["message"].startswith(said)
    assert logs.only("Access denied")["reason"].startswith(said)


def test_another_tenant_named_anywhere_else_changes_nothing(cloud: Cloud) -> None:
    for tenant_id in ("a", "b"):
        cloud.put(tenant_id, resources=POOLED)
        put_problem(cloud, "p", tenant_id, title=f"of {tenant_id}")
    answer = call(
        cloud,
        "GET /problems/{problemId}",
        "a",
        {"tenantId": "b", "custom:tenantId": "b"},
        problemId="p",
        tenantId="b",
        query={"tenantId": "b", "custom:tenantId": "b"},
        headers={"x-tenant-id": "b", "custom:tenantid": "b", "authorization": "Bearer b"},
    )
    assert answer["body"]["title"] == "of a"


def test_a_token_without_the_claim_is_denied_whoever_else_is_named(cloud: Cloud) -> None:
    cloud.put("a", resources=POOLED)
    named = {"tenantId": "a", "custom:tenantId": "a", "x-tenant-id": "a"}
    for route in ROUTES:
        event = {
            **event_of(route, None),
            **dict.fromkeys(("headers", "queryStringParameters", "pathParameters", "stageVariables"), named),
            "cookies": ["tenantId=a"],
            "body": json.dumps(named),
        }
        assert cloud.run("problem-data", event)["statusCode"] == 403


def test_without_an_authorizer_nothing_is_answered(cloud: Cloud) -> None:
    cloud.put("a", resources=POOLED)
    for route in ROUTES:
        event = {"version": "2.0", "routeKey": route, "requestContext": {}}
        assert cloud.run("problem-data", event)["statusCode"] == 403
    event = {"version": "2.0", "routeKey": "$default"}
    assert cloud.run("problem-data", event)["statusCode"] == 404


def test_an_error_of_aws_is_raised_and_counted_by_lambda(cloud: Cloud) -> None:
    cloud.put("a", resources=POOLED)
    put_problem(cloud, "p")
    cloud.dynamodb.delete_table(TableName=DATA_TABLE)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        call(cloud, "GET /problems")


def test_the_log_says_who_requested_what_and_not_what_was_in_it(cloud: Cloud, logs: LogLines) -> None:
    cloud.put("a", resources=POOLED)
    put_problem(cloud, "p", title="a secret title")
    line = logs.only("Answered")
    assert (line["tenant_id"], line["route"], line["status"]) == ("a", "PUT /problems/{problemId}", 200)
    assert "secret" not in json.dumps(line)


def operation(phase: str, state: str = "RUNNING") -> dict[str, Any]:
    texts = {"id": "0" * 32, "kind": "CHANGE_TIER", "phase": phase, "state": state}
    return {"M": {**{name: {"S": text} for name, text in texts.items()}, "attempt": {"N": "1"}}}


def test_while_a_move_ends_files_are_read_and_not_written(cloud: Cloud, model: str) -> None:
    put_problem(cloud, "p")
    put_file(cloud, "p", "f", b"before")
    cloud.update("a", operation=operation("CUTOVER"))
    writes = [
        put_file(cloud, "p", "f", b"meanwhile"),
        put_file(cloud, "p", "new", b"meanwhile"),
        call(cloud, "DELETE /problems/{problemId}/files/{name+}", problemId="p", name="f"),
        # Its files are a part of it: refused as a whole, also of a problem that has none
        call(cloud, "DELETE /problems/{problemId}", problemId="p"),
        call(cloud, "DELETE /problems/{problemId}", problemId="nothing"),
    ]
    for answer in writes:
        assert answer["statusCode"] == 503
        assert int(answer["headers"]["Retry-After"]) > 0
        assert answer["body"]["message"].startswith("the files of tenant 'a' are being moved")
    assert get_file(cloud, "p", "f")["body"] == b"before"
    listed = call(cloud, "GET /problems/{problemId}/files", problemId="p")["body"]["files"]
    assert [file["name"] for file in listed] == ["f"]
    # Problems are items, which do not move
    put_problem(cloud, "p", title="changed meanwhile")
    put_problem(cloud, "another")
    assert len(call(cloud, "GET /problems")["body"]["problems"]) == 2
    # Nobody else's are read-only
    put_problem(cloud, "p", "ab")
    assert put_file(cloud, "p", "f", b"x", "ab")["statusCode"] == 200
    cloud.update("a", operation=operation("ROLLBACK"))
    assert put_file(cloud, "p", "f", b"after")["statusCode"] == 200
    assert get_file(cloud, "p", "f")["body"] == b"after"


def test_while_a_copy_runs_files_are_written_as_ever(cloud: Cloud, model: str) -> None:
    put_problem(cloud, "p")
    cloud.update("a", operation=operation("COPY"))
    assert put_file(cloud, "p", "f", b"x")["statusCode"] == 200
    assert call(cloud, "DELETE /problems/{problemId}", problemId="p")["statusCode"] == 204


@pytest.mark.parametrize("status", ["OFFBOARDING", "DELETED"])
def test_a_tenant_that_leaves_is_denied(cloud: Cloud, status: str) -> None:
    cloud.put("a", resources=POOLED)
    put_problem(cloud, "p")
    cloud.update("a", status={"S": status})
    for route, fields in (("GET /problems", {}), ("GET /problems/{problemId}", {"problemId": "p"})):
        answer = call(cloud, route, "a", **fields)
        assert (answer["statusCode"], answer["body"]["message"]) == (
            403,
            f"tenant 'a' is '{status}', not ACTIVE",
        )
