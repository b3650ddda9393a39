"""The same question put to the HTTP API: what a tenant's token can reach."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from scripts.verification.flow.tenant_api import Answer, TenantApi, user_of
from scripts.verification.flow.tenants import Tenant

#: Every tenant has a problem and a file of these names, so that a mix-up would show.
_PROBLEM: Final = "/problems/same"
_FILE: Final = f"{_PROBLEM}/files/data/same.txt"
#: API Gateway answers 500 for a function that failed.
_FORBIDDEN: Final = HTTPStatus.FORBIDDEN


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what went wrong with it, if anything did."""

    name: str
    problem: str = ""


def run(deployment: Deployment, clients: Clients, tenants: list[Tenant]) -> Iterator[Check]:
    """Yield what each tenant's token can and can't do; `tenants` are COMPLETED."""
    if deployment.user_pool_id is None:
        yield Check(f"HTTP API: skipped, tokens of {deployment.jwt_issuer} can't be had here")
        return
    api = TenantApi(deployment.problem_data_api_url)
    yield _status("no token", api.call("GET", "/problems", None), HTTPStatus.UNAUTHORIZED)
    yield _status("no JWT", api.call("GET", "/problems", "a.b.c"), HTTPStatus.UNAUTHORIZED)
    with ExitStack() as users:
        tokens = {
            tenant.id: users.enter_context(user_of(deployment, clients, tenant.id)) for tenant in tenants
        }
        head, payload, signature = tokens[tenants[0].id].split(".")
        other = tokens[tenants[1].id].split(".")[1]
        forged = api.call("GET", "/problems", f"{head}.{other}.{signature}")
        yield _status("another tenant's claims under one's own signature", forged, HTTPStatus.UNAUTHORIZED)
        del payload
        for tenant_id, token in tokens.items():
            yield from _writes(api, tenant_id, token)
        for tenant_id, token in tokens.items():
            yield from _reads(api, tenant_id, token, next(other for other in tokens if other != tenant_id))
        first, *others = tokens
        yield _status(f"{first} deletes", api.call("DELETE", _PROBLEM, tokens[first]), HTTPStatus.NO_CONTENT)
        gone = api.call("GET", _FILE, tokens[first])
        yield _status(f"{first} has it no more", gone, HTTPStatus.NOT_FOUND)
        for tenant_id in others:
            answer = api.call("GET", _FILE, tokens[tenant_id])
            yield _content(f"{tenant_id} still has its own", answer, _content_of(tenant_id))
        yield from _suspended(deployment, clients, api, tenants[0], tokens[first])
    with user_of(deployment, clients, f"{tenants[0].id}-unknown") as token:
        answer = api.call("GET", "/problems", token)
        yield _denied("an unknown tenant", answer, "is unknown")


def _writes(api: TenantApi, tenant_id: str, token: str) -> Iterator[Check]:
    answer = api.call("PUT", _PROBLEM, token, {"title": f"of {tenant_id}"})
    yield _status(f"{tenant_id} writes a problem", answer, HTTPStatus.OK)
    answer = api.call("PUT", _FILE, token, _content_of(tenant_id))
    yield _status(f"{tenant_id} writes a file", answer, HTTPStatus.OK)


def _reads(api: TenantApi, tenant_id: str, token: str, other: str) -> Iterator[Check]:
    named = {"tenantId": other, "custom:tenantId": other}
    headers = {"X-Tenant-Id": other, "Custom-TenantId": other}
    for name, answer in (
        ("", api.call("GET", _PROBLEM, token)),
        (", whatever the query says", api.call("GET", f"{_PROBLEM}?tenantId={other}", token)),
        (", whatever the headers say", api.call("GET", _PROBLEM, token, headers=headers)),
    ):
        title = answer.body.get("title") if isinstance(answer.body, dict) else None
        yield _equal(f"{tenant_id} reads its own problem{name}", title, f"of {tenant_id}")
    answer = api.call("PUT", "/problems/named", token, {"title": f"of {tenant_id}", **named})
    yield _status(f"{tenant_id} writes its own, whatever the body says", answer, HTTPStatus.OK)
    yield _content(f"{tenant_id} reads its own file", api.call("GET", _FILE, token), _content_of(tenant_id))
    listed = api.call("GET", "/problems", token).body
    titles = [problem["title"] for problem in listed.get("problems", [])]
    yield _equal(f"{tenant_id} lists its own problems", titles, [f"of {tenant_id}"] * 2)
    files = api.call("GET", f"{_PROBLEM}/files", token).body.get("files")
    size = len(_content_of(tenant_id))
    yield _equal(f"{tenant_id} lists its own files", files, [{"name": "data/same.txt", "size": size}])
    for path in (f"/problems/..%2F{other}", f"{_PROBLEM}/files/..%2F..%2F..%2F{other}%2Fseed%2Fsecret.txt"):
        answer = api.call("GET", path, token)
        passed = answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, _FORBIDDEN)
        yield Check(f"{tenant_id} asks for {path}", "" if passed else f"{answer.status}: {answer.body}")


def _suspended(
    deployment: Deployment, clients: Clients, api: TenantApi, tenant: Tenant, token: str
) -> Iterator[Check]:
    def set_status(status: str) -> None:
        clients.dynamodb.update_item(
            TableName=deployment.table_name,
            Key=tenant.key,
            UpdateExpression="SET #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": status}},
        )

    set_status("SUSPENDED")
    try:
        answer = api.call("GET", "/problems", token)
        yield _denied(f"{tenant.id}, suspended", answer, "is 'SUSPENDED', not ACTIVE")
    finally:
        set_status("ACTIVE")
    answer = api.call("GET", "/problems", token)
    yield _status(f"{tenant.id}, active again", answer, HTTPStatus.OK)


def _content_of(tenant_id: str) -> bytes:
    return f"file of {tenant_id}".encode()


def _status(name: str, answer: Answer, wanted: HTTPStatus) -> Check:
    return Check(name, "" if answer.status == wanted else f"{answer.status}, not {wanted}: {answer.body}")


def _denied(name: str, answer: Answer, reason: str) -> Check:
    said = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
    passed = answer.status == _FORBIDDEN and said.endswith(reason)
    return Check(f"{name} is denied, and told why", "" if passed else f"{answer.status}: {answer.body}")


def _content(name: str, answer: Answer, wanted: bytes) -> Check:
    return _equal(name, answer.body, wanted)


def _equal(name: str, found: object, wanted: object) -> Check:
    return Check(name, "" if found == wanted else f"found {found!r}, not {wanted!r}")
