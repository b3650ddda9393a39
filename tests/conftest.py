"""The deployed stack that the end-to-end and contract tests share: one engine, one apply, one destroy."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import settings

from scripts.local_aws.engine.process import Engine, free_port
from scripts.tooling.aws import Clients
from scripts.tooling.build import build
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import LOCAL, REGION, ZIPS
from scripts.tooling.terraform import Terraform
from tests import background


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


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let what takes long begin, if it is among the tests to be run."""
    names = {item.name for item in session.items}
    for test in background.PROGRAMS:
        if test in names and not session.config.option.collectonly:
            background.start(test)


def pytest_unconfigure() -> None:
    """Leave nothing running."""
    background.stop()


def _keep_away_from_aws() -> None:
    """No test may reach AWS: without these, a mistake would use the developer's own account."""
    os.environ["AWS_ACCESS_KEY_ID"] = "testing"
    os.environ["AWS_SECRET_ACCESS_KEY"] = "testing"
    os.environ.pop("AWS_PROFILE", None)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
