"""What Terraform sends again has one effect, and the answer that the first attempt had."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.local_aws.engine import retries
from scripts.local_aws.engine.process import Engine
from scripts.tooling.project import REGION
from tests.conftest import running_engine

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.11.4 terraform-provider-aws/5.100.0 aws-sdk-go-v2/1.36.3"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running_engine() as running:
        yield running


def send(
    engine: Engine,
    service: str,
    operation: str,
    content: dict[str, str],
    *,
    invocation: str,
    attempt: int = 1,
    agent: str = TERRAFORM,
) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send one attempt of a call; return status, headers and body. `operation` is a target or an action."""
    is_json = "." in operation
    body = json.dumps(content) if is_json else urlencode({"Action": operation, **content})
    headers = (
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": operation}
        if is_json
        else {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    )
    call = AWSRequest("POST", engine.endpoint.url + "/", data=body.encode(), headers=headers)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(call)
    headers = {
        **dict(call.headers),
        "User-Agent": agent,
        "amz-sdk-invocation-id": invocation,
        "amz-sdk-request": f"attempt={attempt}; max=25",
    }
    with closing(HTTPConnection("127.0.0.1", engine.port, timeout=20)) as connection:
        connection.request("POST", "/", body=body.encode(), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheaders(), answer.read()


CREATE_POOL = ("cognito-idp", "AWSCognitoIdentityProviderService.CreateUserPool")


def test_a_repeated_call_has_one_effect_and_one_answer(engine: Engine) -> None:
    invocation = str(uuid.uuid4())
    first = send(engine, *CREATE_POOL, {"PoolName": "p"}, invocation=invocation)
    second = send(engine, *CREATE_POOL, {"PoolName": "p"}, invocation=invocation, attempt=2)
    assert first[0] == 200
    assert second == first
    listed = send(
        engine, CREATE_POOL[0], "AWSCognitoIdentityProviderService.ListUserPools", {}, invocation="l"
    )
    created = json.loads(first[2])["UserPool"]["Id"]
    assert [pool["Id"] for pool in json.loads(listed[2])["UserPools"] if pool["Name"] == "p"] == [created]


def test_a_form_is_a_call_like_another(engine: Engine) -> None:
    invocation = str(uuid.uuid4())
    first = send(engine, "iam", "CreateUser", {"UserName": "u"}, invocation=invocation)
    assert first[0] == 200
    assert send(engine, "iam", "CreateUser", {"UserName": "u"}, invocation=invocation, attempt=3) == first
    again = send(engine, "iam", "CreateUser", {"UserName": "u"}, invocation=str(uuid.uuid4()), attempt=2)
    assert again[0] == 409


@pytest.mark.parametrize(
    ("agent", "invocation", "attempt"),
    [("Boto3/1.43.106", None, 2), (TERRAFORM, None, 1), (TERRAFORM, "another", 2)],
    ids=["another client", "a first attempt", "another call"],
)
def test_other_calls_are_not_affected(
    engine: Engine, agent: str, invocation: str | None, attempt: int
) -> None:
    sent = str(uuid.uuid4())
    first = send(engine, *CREATE_POOL, {"PoolName": "p"}, invocation=sent)
    second = send(
        engine, *CREATE_POOL, {"PoolName": "p"}, invocation=invocation or sent, attempt=attempt, agent=agent
    )
    assert first[0] == second[0] == 200
    assert json.loads(first[2])["UserPool"]["Id"] != json.loads(second[2])["UserPool"]["Id"]


class Service:
    """An application that counts its calls; each answer says how many there were."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.calls = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await retries.read_on(receive)
        self.calls += 1
        number = self.calls
        await self.may_go_on.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % number})


async def ask(
    app: Any, attempt: int, target: str = "Service.Create", body: bytes = b"", **scope: Any
) -> bytes:
    headers = [
        (b"user-agent", TERRAFORM.encode()),
        (b"amz-sdk-invocation-id", b"1"),
        (b"amz-sdk-request", b"attempt=%d; max=25" % attempt),
        (b"x-amz-target", target.encode()),
        (b"content-type", b"application/x-www-form-urlencoded" if body else b"application/json"),
    ]
    answer: list[bytes] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def take(message: Any) -> None:
        answer.append(message.get("body", b""))

    request = {"type": "http", "method": "POST", "path": "/", "headers": headers, **scope}
    await app(request, receive, take)
    return b"".join(answer)


@pytest.mark.parametrize(
    "read",
    [
        {"target": "Service.DescribeThings"},
        {"target": "Service.ListThings"},
        {"target": "", "body": b"Action=GetThing&Version=1"},
        {"target": "", "method": "GET"},
        {"target": "", "method": "HEAD"},
    ],
)
def test_reads_are_always_made(read: dict[str, Any]) -> None:
    async def run() -> list[bytes]:
        app = retries.with_answers(Service())
        return [await ask(app, 1, **read), await ask(app, 2, **read)]

    assert asyncio.run(run()) == [b"1", b"2"]


def test_what_failed_is_tried_again() -> None:
    async def run() -> list[bytes]:
        app = retries.with_answers(Service(500, 429, 200))
        return [await ask(app, attempt) for attempt in (1, 2, 3, 4)]

    assert asyncio.run(run()) == [b"1", b"2", b"3", b"3"]


@pytest.mark.parametrize(("status", "expected"), [(200, [b"1", b"1"]), (503, [b"1", b"2"])])
def test_a_retry_waits_for_the_attempt_that_is_under_way(status: int, expected: list[bytes]) -> None:
    async def run() -> list[bytes]:
        service = Service(status)
        service.may_go_on.clear()
        app = retries.with_answers(service)
        first = asyncio.create_task(ask(app, 1))
        second = asyncio.create_task(ask(app, 2))
        while not service.calls:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)  # to no avail: the second must not have begun
        assert service.calls == 1
        service.may_go_on.set()
        return [await first, await second]

    assert asyncio.run(run()) == expected


def test_an_answer_that_nobody_took_is_the_call_s_all_the_same() -> None:
    async def run() -> bytes:
        app = retries.with_answers(Service())
        request = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [
                (b"user-agent", TERRAFORM.encode()),
                (b"amz-sdk-invocation-id", b"1"),
                (b"amz-sdk-request", b"attempt=1"),
                (b"x-amz-target", b"Service.Create"),
            ],
        }

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        async def lost(message: Any) -> None:
            if message["type"] == "http.response.body":
                raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await app(request, receive, lost)
        return await ask(app, 2)

    assert asyncio.run(run()) == b"1"


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "MAX_ANSWERS", 3)
    monkeypatch.setattr(retries, "MAX_BYTES", 100)
    now = [0.0]
    answers = retries.Answers(clock=lambda: now[0])

    def keep(name: bytes, size: int) -> None:
        answers.keep((name,), ({"body": b"x" * size},))

    def kept(names: str) -> str:
        return "".join(name for name in names if answers.find((name.encode(),)))

    for name in (b"a", b"b", b"c", b"d"):
        keep(name, 1)
    assert kept("abcd") == "bcd"  # so many
    keep(b"e", 99)
    assert kept("abcde") == "de"  # so many bytes
    keep(b"f", 101)
    assert kept("abcdef") == ""
    keep(b"g", 1)
    now[0] = retries.MAX_AGE + 1
    assert kept("g") == ""  # for so long
