"""The deployed stack that the end-to-end and contract tests share: one engine, one apply, one destroy."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from scripts.local_aws.engine.process import Engine, free_port
from scripts.tooling.aws import Clients
from scripts.tooling.build import build
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import LOCAL, REGION, ZIPS
from scripts.tooling.terraform import Terraform
from tests import background

#: pytest-xdist's name of the worker that gets the first group of tests.
_FIRST_WORKER: Final = "gw0"
#: The group of the tests that share the stack.
_STACK: Final = "stack"
#: The folders of tests that take longest, the longest first. Any order works; this one ends sooner.
_SLOW_FOLDERS: Final = ("terraform", "proof", "engine", "scripts", "packaging", "handlers", "simulation")


@dataclass(frozen=True)
class Stack:
    """The local environment, on an engine and with a state of its own."""

    engine: Engine
    terraform: Terraform
    deployment: Deployment
    clients: Clients


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    build(ZIPS)
    with pytest.MonkeyPatch.context() as patch, running_engine() as engine:
        patch.setenv("AWS_ENDPOINT_URL", engine.endpoint.url)
        terraform = Terraform(
            LOCAL,
            variables={"aws_endpoint_url": engine.endpoint.url},
            data_dir=folder / "data",
            state=folder / "terraform.tfstate",
        )
        terraform.init()
        terraform.apply()
        deployment = Deployment.of(terraform)
        yield Stack(engine, terraform, deployment, Clients(LOCAL, deployment.region))
        terraform.run("destroy", "-auto-approve", "-input=false", "-no-color", quiet=True)
        assert left_over(Clients(LOCAL, REGION)) == []


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Run an engine on a free port."""
    engine = Engine(free_port())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def left_over(clients: Clients) -> list[str]:
    """Return what a destroyed stack has left behind. Silo buckets are not Terraform's."""
    names = [
        *clients.dynamodb.list_tables()["TableNames"],
        *(bus["Name"] for bus in clients.events.list_event_buses()["EventBuses"]),
        *(archive["ArchiveName"] for archive in clients.events.list_archives()["Archives"]),
        *(function["FunctionName"] for function in clients.lambda_.list_functions()["Functions"]),
        *(url.rsplit("/", 1)[1] for url in clients.sqs.list_queues().get("QueueUrls", [])),
        *(role["RoleName"] for role in clients.iam.list_roles()["Roles"]),
        *(group["logGroupName"] for group in clients.logs.describe_log_groups()["logGroups"]),
        *(bucket["Name"] for bucket in clients.s3.list_buckets()["Buckets"]),
    ]
    return [name for name in names if "tenkacloud" in name.lower() and "-silo-" not in name]


def pytest_configure() -> None:
    """Make property tests the same at each run of the gate, and keep all tests away from AWS."""
    settings.register_profile("gate", derandomize=True, deadline=None)
    settings.register_profile("here", deadline=None)
    settings.load_profile("gate" if os.environ.get("CI") else "here")
    _keep_away_from_aws()
    if _worker() not in (None, _FIRST_WORKER):
        os.nice(5)  # the first has the tests that wait for the stack, and the longest way


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers run tests side by side: the first mostly waits for the stack."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of the stack to the first worker, the others by file, those that take long first.

    Without workers this is just the order.
    """
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let what takes long begin, if it is among the tests to be run."""
    names = {item.name for item in session.items}
    for test in background.PROGRAMS:
        if test in names and not session.config.option.collectonly and _worker() in (None, _FIRST_WORKER):
            background.start(test)


def pytest_unconfigure() -> None:
    """Leave nothing running."""
    background.stop()


def _worker() -> str | None:
    """Return the name of this worker of pytest-xdist, None where there are none."""
    return os.environ.get("PYTEST_XDIST_WORKER")


def _group(item: pytest.Item) -> str:
    """Return what a test must share a worker with: the stack, or its file."""
    if item.get_closest_marker("stack") or item.name in background.PROGRAMS:
        return _STACK
    return item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()


def _rank(item: pytest.Item) -> tuple[int, bool, str]:
    """Return a test's place in the order: the stack's first, then whole files, slow folders first."""
    group = _group(item)
    folder = group.partition("/")[0]
    folders = (_STACK, *_SLOW_FOLDERS)
    place = folders.index(folder) if folder in folders else len(folders)
    # What only waits for a program in the background comes when the stack's tests are through.
    return place, item.name in background.PROGRAMS, "" if group == _STACK else group


def _keep_away_from_aws() -> None:
    """No test may reach AWS: without these, a mistake would use the developer's own account."""
    os.environ["AWS_ACCESS_KEY_ID"] = "testing"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "testing"
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
