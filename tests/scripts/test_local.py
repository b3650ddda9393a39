"""The local engine and endpoint."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.local_aws import local
from scripts.local_aws.engine import extension
from scripts.local_aws.engine.process import PYTHON, Engine, free_port
from scripts.tooling import terraform
from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.project import LOCAL, REGION, CommandError, environment_root
from tests.conftest import running_engine


class Website(BaseHTTPRequestHandler):
    """Something that is no AWS."""

    def do_GET(self) -> None:
        self.do_POST()

    status = 200
    page = b"<html>hello</html>"

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[Endpoint]:
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Endpoint(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(
    params=[
        (200, b"<html>hello</html>"),
        (501, b"<!DOCTYPE html>\n<html><body><meta charset='utf-8'>Unsupported</body></html>"),
        (404, b""),
        (200, b'{"hello": "world"}'),
    ]
)
def website(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    status, page = request.param
    with serving(type("Variant", (Website,), {"status": status, "page": page})) as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _keep_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test makes of the endpoint, the next one finds it as it was."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT_URL", ""))


def test_a_port_that_is_no_aws_is_told_in_one_line(website: Endpoint) -> None:
    with pytest.raises(CommandError) as raised:
        local.ensure_engine(website)
    assert "answers, but not as an AWS endpoint" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


class PlainMiniStack(Website):
    """Health and identity as a MiniStack without our extension gives them."""

    def do_GET(self) -> None:
        self._answer(b'{"services": {}, "edition": "light"}')

    def do_POST(self) -> None:
        identity = b"<GetCallerIdentityResult><Account>000000000000</Account></GetCallerIdentityResult>"
        self._answer(b"<GetCallerIdentityResponse>" + identity + b"</GetCallerIdentityResponse>")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def plain_ministack() -> Iterator[Endpoint]:
    with serving(PlainMiniStack) as endpoint:
        yield endpoint


def test_a_ministack_without_our_extension_is_used_but_told(
    plain_ministack: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert local.ensure_engine(plain_ministack) is False
    assert "was started without our extension" in capsys.readouterr().err


def test_a_port_that_says_nothing_is_told_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = Endpoint(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(CommandError, match="answers, but not as an AWS endpoint"):
            local.ensure_engine(endpoint)


def test_no_engine_is_started_elsewhere() -> None:
    with pytest.raises(CommandError, match="does not answer; an engine is started on"):
        local.ensure_engine(Endpoint(f"https://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("url", ["localhost:4566", "ftp://localhost", "http://", "http://localhost:port"])
def test_an_endpoint_that_is_no_url_is_told(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(CommandError, match="is not a valid http"):
        Endpoint.configured()


def test_each_endpoint_has_a_state_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two engines hold two stacks; plain Terraform in the root works on the default one's."""

    def state(url: str) -> Path:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        return terraform.Terraform.of(LOCAL).state_file

    own = environment_root(LOCAL) / "terraform.tfstate"
    assert state("") == state("http://localhost:4566") == state("http://127.0.0.1:4566/") == own
    others = {
        state("http://127.0.0.1:4577"),
        state("http://127.0.0.1:4578"),
        state("http://engine:4566"),
        own,
    }
    assert len(others) == 4


def test_an_old_state_is_set_aside_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    state = tmp_path / "terraform.tfstate"
    state.write_text("{}")
    monkeypatch.setattr(local, "BUILD", tmp_path / "build")
    local._set_aside(state, "the engine is new")
    assert not state.exists()
    (kept,) = (tmp_path / "build" / "old-state").iterdir()
    assert kept.read_text() == "{}"


@pytest.mark.parametrize("half", [b"", b'{"version": 4, "resou', b"\xff\x00", b"[]", b"{}"])
def test_a_state_that_cannot_be_read_is_stale(tmp_path: Path, half: bytes) -> None:
    """Terraform, killed while it applies or writes, leaves such."""
    state = tmp_path / "terraform.tfstate"
    state.write_bytes(half)
    assert local._is_stale(state) is True


def half_a_state(state: Path) -> None:
    """Write a state as a killed first apply leaves it: resources, and no outputs."""
    table = {"mode": "managed", "type": "aws_dynamodb_table", "name": "t"}
    content = {
        "version": 4,
        "outputs": {},
        "resources": [{**table, "instances": [{"attributes": {"name": "Tenants"}}]}],
    }
    state.write_text(json.dumps(content))


def test_a_state_without_outputs_is_stale_on_an_empty_endpoint_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = tmp_path / "terraform.tfstate"
    half_a_state(state)
    with running_engine() as engine:
        monkeypatch.setenv("AWS_ENDPOINT_URL", engine.endpoint.url)
        assert local._is_stale(state) is True
        Clients(LOCAL, REGION).dynamodb.create_table(
            TableName="Tenants",
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        assert local._is_stale(state) is False


@pytest.fixture
def killed_deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[Engine, Path]]:
    """An engine of ours, and the empty state of a first deployment that was killed."""
    monkeypatch.setattr(local, "BUILD", tmp_path / "build")
    monkeypatch.setattr(terraform, "BUILD", tmp_path / "build")
    with running_engine() as engine:
        monkeypatch.setenv("AWS_ENDPOINT_URL", engine.endpoint.url)
        state = terraform.Terraform.of(LOCAL).state_file
        state.parent.mkdir(parents=True)
        state.touch()
        yield engine, state


def test_a_deployment_that_was_killed_is_begun_anew_and_told(
    killed_deployment: tuple[Engine, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine, state = killed_deployment
    before = engine.process()
    monkeypatch.setattr(local, "_applied", lambda _: "applied")
    local.deploy()
    assert "the Terraform state is unreadable" in capsys.readouterr().err
    assert not state.exists()
    # what it had made is in no state any more: it went with the engine
    assert before is not None
    assert engine.process() not in (None, before)


def test_what_a_killed_deployment_left_is_destroyed_and_told(
    killed_deployment: tuple[Engine, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    engine, state = killed_deployment
    local.destroy()
    assert "the Terraform state is unreadable" in capsys.readouterr().err
    assert not state.exists()
    assert engine.process() is None


def test_a_killed_deployment_is_gone_on_with_and_begun_anew_only_if_that_fails(
    killed_deployment: tuple[Engine, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, state = killed_deployment
    half_a_state(state)
    Clients(LOCAL, REGION).events.create_event_bus(Name="left")
    state.write_text(
        state.read_text()
        .replace("aws_dynamodb_table", "aws_cloudwatch_event_bus")
        .replace('"Tenants"', '"left"')
    )
    before = engine.process()
    answers: list[CommandError | str] = [CommandError("exists"), "applied"]

    def applied(_: object) -> str:
        answer = answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    monkeypatch.setattr(local, "_applied", applied)
    local._mark(engine.endpoint).touch()
    local.deploy()
    assert not answers
    assert engine.process() not in (None, before)
    assert not local._mark(engine.endpoint).exists()


def test_an_engine_listens_on_the_loopback_only_and_leaves_nothing_behind() -> None:
    engine = Engine(free_port())
    engine.start()
    try:
        process = engine.process()
        assert process is not None
        listening = [found.laddr for found in process.net_connections() if found.status == psutil.CONN_LISTEN]
        assert listening == [("127.0.0.1", engine.port)]
    finally:
        assert engine.stop() is True
    assert not process.is_running()
    assert not engine.endpoint.is_open()
    assert engine.stop() is False


def test_only_an_engine_of_ours_is_stopped() -> None:
    """A pid alone may be somebody else's by now."""
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    try:
        engine = Engine(free_port())
        engine.folder.mkdir(parents=True, exist_ok=True)
        engine._pid_file.write_text(json.dumps({"pid": bystander.pid, "created": 0}))
        assert engine.stop() is False
        assert bystander.poll() is None
    finally:
        os.kill(bystander.pid, signal.SIGTERM)
        bystander.wait()


def test_a_request_over_the_loopback_counts_as_secure_and_no_other() -> None:
    assert extension.is_loopback("127.0.0.1")
    assert extension.is_loopback("::1")
    assert not extension.is_loopback("10.0.0.1")
    assert not extension.is_loopback("unknown")


@pytest.mark.parametrize("package", extension.VERSIONS)
def test_the_extension_refuses_another_version_of_the_engine(package: str) -> None:
    program = (
        "import importlib.metadata as m, sys; version = m.version;"
        f"m.version = lambda name: '0.0.1' if name == {package!r} else version(name);"
        f"sys.path.insert(0, {str(Path(extension.__file__).parent)!r}); import extension; extension.install()"
    )
    done = subprocess.run([str(PYTHON), "-c", program], text=True, capture_output=True, check=False)
    assert done.returncode != 0
    assert f"is written for {package} {extension.VERSIONS[package]}, but 0.0.1 is installed" in done.stderr


def test_the_pinned_engine_is_the_one_that_the_extension_is_for() -> None:
    pins = (Path("requirements") / "engine.txt").read_text()
    for package, version in extension.VERSIONS.items():
        assert f"{package}=={version} " in pins


def test_the_engine_holds_nothing_that_a_zip_must_bring() -> None:
    done = subprocess.run(
        [str(PYTHON), "-c", "import aws_lambda_powertools"], text=True, capture_output=True, check=False
    )
    assert "ModuleNotFoundError" in done.stderr


def test_a_missing_parent_counts_as_an_empty_object_in_a_stream_filter() -> None:
    def match(record: dict[str, Any], pattern: dict[str, Any]) -> bool:
        """Match as the engine does: a missing object never matches, and the recursion is by name."""
        return all(
            (isinstance(record.get(name), dict) and matches(record[name], part))
            if isinstance(part, dict)
            else (name not in record if part == [{"exists": False}] else record.get(name) in part)
            for name, part in pattern.items()
        )

    matches = extension.with_missing_parents(match)
    pattern = {"OldImage": {"provisioningStatus": {"S": [{"exists": False}]}}}
    assert matches({"OldImage": {}}, pattern)
    assert not matches({"OldImage": {"provisioningStatus": {"S": "PENDING"}}}, pattern)
