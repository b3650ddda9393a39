"""Head and body of a response come at once; looked at byte by byte, as they come from the socket."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from scripts.local_aws.engine.process import PYTHON, Engine, free_port
from scripts.tooling.project import REGION
from tests.conftest import running_engine
from tests.engine.asgi_server import LARGE
from tests.support import wait_for

#: So many answers in a row, since two writes may arrive together by chance.
ROUNDS = 40


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an application on the patched server."""
    port = free_port()
    script = Path(__file__).with_name("asgi_server.py")
    process = subprocess.Popen([str(PYTHON), str(script), str(port), "patched"], stderr=subprocess.DEVNULL)
    try:
        wait_for("the server", lambda: is_open(port))
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running_engine() as running:
        yield running


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connected(port: int) -> "closing[socket.socket]":
    return closing(socket.create_connection(("127.0.0.1", port), timeout=20))


def request(path: str, method: str = "GET", *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def signed(engine: Engine, service: str, method: str, path: str, target: str, content: object) -> bytes:
    """Return a request to AWS, as bytes."""
    body = json.dumps(content).encode() if target else b""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target} if target else {}
    call = AWSRequest(method=method, url=engine.endpoint.url + path, data=body, headers=headers)
    SigV4Auth(Credentials("test", "test"), service, REGION).add_auth(call)
    lines = [
        f"{name}: {value}" for name, value in {**dict(call.headers), "Content-Length": len(body)}.items()
    ]
    return (
        "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{engine.port}", *lines, "", ""]).encode()
        + body
    )


def test_an_answer_of_aws_comes_in_one_piece(engine: Engine) -> None:
    put = signed(
        engine,
        "ssm",
        "POST",
        "/",
        "AmazonSSM.PutParameter",
        {"Name": "/a", "Value": "b", "Type": "String", "Overwrite": True},
    )
    missing = signed(engine, "ssm", "POST", "/", "AmazonSSM.GetParameter", {"Name": "/missing"})
    head = signed(engine, "s3", "HEAD", "/missing-bucket", "", None)
    with connected(engine.port) as connection:
        for _ in range(ROUNDS):
            for sent, status, content in (
                (put, b"200", b'"Version"'),
                (missing, b"400", b"ParameterNotFound"),
                (head, b"404", b""),
            ):
                connection.sendall(sent)
                head_part, _, body = connection.recv(65536).partition(b"\r\n\r\n")
                assert head_part.split()[1] == status
                assert content in body
                if sent != head:
                    assert f"content-length: {len(body)}".encode() in head_part.lower()


@pytest.mark.parametrize(
    ("path", "method", "status", "body"),
    [
        ("/", "GET", b"200", b"hello"),
        ("/", "HEAD", b"200", b""),
        ("/empty", "GET", b"404", b""),
    ],
)
def test_each_answer_on_a_connection_comes_in_one_piece(
    server: int, path: str, method: str, status: bytes, body: bytes
) -> None:
    with connected(server) as connection:
        for _ in range(ROUNDS):
            connection.sendall(request(path, method))
            head, end, rest = connection.recv(65536).partition(b"\r\n\r\n")
            assert (head.split()[1], end, rest) == (status, b"\r\n\r\n", body)


def test_a_large_body_is_whole(server: int) -> None:
    with connected(server) as connection:
        connection.sendall(request("/large", "GET", "Connection: close"))
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert f"content-length: {len(LARGE)}".encode() in head.lower()
    assert body == LARGE


def test_the_head_of_a_stream_does_not_wait_for_its_body(server: int) -> None:
    with connected(server) as connection:
        connection.sendall(request("/stream", "POST", "Content-Length: 2", body=b"a"))
        head = connection.recv(65536)
        assert head.endswith(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head.lower()
        connection.sendall(b"b")
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            body += connection.recv(65536)
    assert body == b"4\r\nlate\r\n1\r\nr\r\n0\r\n\r\n"


def test_a_body_is_sent_when_the_server_says_that_it_goes_on(server: int) -> None:
    with connected(server) as connection:
        connection.sendall(request("/echo", "POST", "Content-Length: 3", "Expect: 100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nabc")


def test_what_an_application_said_before_it_ended_is_sent(server: int) -> None:
    with connected(server) as connection:
        connection.sendall(request("/dies"))
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    with connected(server) as connection:  # and the server goes on
        connection.sendall(request("/"))
        assert connection.recv(65536).endswith(b"hello")


def test_a_client_that_leaves_disturbs_nobody(server: int) -> None:
    for _ in range(ROUNDS):
        with connected(server) as connection:
            connection.sendall(request("/large"))
    with connected(server) as connection:
        connection.sendall(request("/"))
        assert connection.recv(65536).endswith(b"hello")


def test_a_websocket_is_opened_and_carries_messages(server: int) -> None:
    with connected(server) as connection:
        connection.sendall(
            request(
                "/",
                "GET",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            )
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        # A masked text frame, and its echo (RFC 6455)
        connection.sendall(bytes([0x81, 0x82, 0, 0, 0, 0]) + b"hi")
        assert connection.recv(65536) == bytes([0x81, 2]) + b"hi"
