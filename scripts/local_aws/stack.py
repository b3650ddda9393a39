"""The one way to bring up an engine with a stack, apart from the user's own: for tests and measurements."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from scripts.local_aws.engine.process import Engine, free_port
from scripts.tooling.aws import Clients, Endpoint
from scripts.tooling.build import build
from scripts.tooling.deployment import Deployment
from scripts.tooling.project import LOCAL, ZIPS
from scripts.tooling.terraform import Terraform

#: Most of what Terraform does on an engine is waiting for what the AWS provider waits for: some 25 s for each
#: queue, some 55 s for a lifecycle configuration. Side by side, as much as there is.
SIDE_BY_SIDE: Final = "-parallelism=40"


@contextmanager
def running_engine() -> Iterator[Engine]:
    """Run an engine on a free port; it ends with the block."""
    engine = Engine(free_port())
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def terraform_on(endpoint: Endpoint, folder: Path) -> Terraform:
    """Return the local environment's Terraform on an endpoint, with all that it writes in a folder."""
    return Terraform(
        LOCAL,
        variables={"aws_endpoint_url": endpoint.url},
        data_dir=folder / "data",
        state=folder / "terraform.tfstate",
    )


@contextmanager
def configured(endpoint: Endpoint) -> Iterator[None]:
    """Have this process, and those that it starts, work on an endpoint until the block ends."""
    before = os.environ.get("AWS_ENDPOINT_URL")
    os.environ["AWS_ENDPOINT_URL"] = endpoint.url
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("AWS_ENDPOINT_URL", None)
        else:
            os.environ["AWS_ENDPOINT_URL"] = before


@dataclass(frozen=True)
class Stack:
    """The local environment, applied on an engine, with a state of its own."""

    engine: Engine
    terraform: Terraform

    @cached_property
    def deployment(self) -> Deployment:
        """What Terraform put out."""
        return Deployment.of(self.terraform)

    @cached_property
    def clients(self) -> Clients:
        """Root's clients, of the endpoint that is configured: within `configured` of this engine."""
        return Clients(LOCAL, self.deployment.region)

    def destroy(self) -> None:
        """Destroy all that Terraform made; the engine goes on. Whether all is gone tells `left_over`.

        Raises:
            CommandError: Terraform failed.
        """
        options = ("-auto-approve", "-input=false", "-no-color", "-refresh=false", SIDE_BY_SIDE)
        self.terraform.run("destroy", *options, quiet=True)


def deploy(engine: Engine, folder: Path) -> Stack:
    """Build the zips, and apply the local environment on an engine that is empty.

    Raises:
        CommandError: a zip can't be built, or Terraform failed.
    """
    build(ZIPS)
    terraform = terraform_on(engine.endpoint, folder)
    terraform.init()
    terraform.apply(SIDE_BY_SIDE)
    return Stack(engine, terraform)


@contextmanager
def running_stack() -> Iterator[Stack]:
    """Run an engine with a stack, and work on it; all of it is gone when the block ends.

    Raises:
        CommandError: it can't be brought up.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        running_engine() as engine,
        configured(engine.endpoint),
    ):
        yield deploy(engine, Path(folder))


def left_over(clients: Clients) -> list[str]:
    """Return what a destroyed stack has left behind. What is made for one tenant is not Terraform's."""
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
    of_tenants = ("-silo-", "/tenants/")
    return [
        name
        for name in names
        if "tenkacloud" in name.lower() and not any(each in name for each in of_tenants)
    ]
