"""The baseline: a chain of handlers that make just the calls that the flow can't do without.

It is put on the engine beside the stack.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.deployment import Deployment
from tenkacloud.tenants.keys import table_definition

SOURCES: Final = Path(__file__).with_name("baseline_handlers")
NAME: Final = "baseline"  # of the table, the bus and the role, and before all other names


def handlers_zip() -> bytes:
    """Return the zip of the baseline's handlers."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for source in SOURCES.glob("*.py"):
            archive.write(source, source.name)
    return content.getvalue()


@dataclass(frozen=True)
class Baseline:
    """Deploys the chain: one table, one bus, three functions, wired as ours are."""

    deployment: Deployment
    clients: Clients

    def deploy(self) -> None:
        """Make everything. The engine is thrown away afterwards, so nothing is removed."""
        stream = self._table()
        self.clients.events.create_event_bus(Name=NAME)
        role = self._role()
        everything = {"TABLE_NAME": NAME, "EVENT_BUS_NAME": NAME}
        request = self._function("request", role, everything)
        self.clients.lambda_.create_event_source_mapping(
            EventSourceArn=stream,
            FunctionName=request,
            StartingPosition="TRIM_HORIZON",
            BatchSize=100,
            FilterCriteria={"Filters": [{"Pattern": json.dumps(_ENTERS_PENDING)}]},
        )
        resources = {"EVENT_BUS_NAME": NAME, "DATA_BUCKET_NAME": self.deployment.data_bucket_name}
        self._rule("Onboarding", self._function("provision", role, resources))
        self._rule("Provisioned", self._function("complete", role, {"TABLE_NAME": NAME}))

    def deploy_functions(self, module: str, handlers: Sequence[str], environment: dict[str, str]) -> None:
        """Make functions that are called by hand: one for each handler of a module of `baseline_handlers`."""
        role = self._role()
        for handler in handlers:
            self._function(handler, role, environment, module)

    def _table(self) -> str:
        made = self.clients.dynamodb.create_table(
            **table_definition(NAME),
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return str(made["TableDescription"]["LatestStreamArn"])

    def _role(self) -> str:
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        allowed = {
            "Effect": "Allow",
            "Action": ["dynamodb:*", "events:*", "s3:*", "logs:*"],
            "Resource": "*",
        }
        iam = self.clients.iam
        try:
            role = iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=_document(trust))["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            return iam.get_role(RoleName=NAME)["Role"]["Arn"]
        iam.put_role_policy(RoleName=NAME, PolicyName=NAME, PolicyDocument=_document(allowed))
        return role

    def _function(
        self, handler: str, role: str, environment: dict[str, str], module: str = "handlers"
    ) -> str:
        made = self.clients.lambda_.create_function(
            FunctionName=f"{NAME}-{handler}",
            Runtime="python3.13",
            Role=role,
            Handler=f"{module}.{handler}",
            Code={"ZipFile": handlers_zip()},
            Timeout=300,
            MemorySize=256,
            Environment={"Variables": environment},
        )
        self.clients.lambda_.get_waiter("function_active_v2").wait(FunctionName=made["FunctionName"])
        return made["FunctionArn"]

    def _rule(self, detail_type: str, function: str) -> None:
        events = self.clients.events
        pattern = json.dumps({"source": [NAME], "detail-type": [detail_type]})
        events.put_rule(Name=f"{NAME}-{detail_type}", EventBusName=NAME, EventPattern=pattern)
        events.put_targets(
            Rule=f"{NAME}-{detail_type}",
            EventBusName=NAME,
            Targets=[{"Id": "function", "Arn": function}],
        )


_ENTERS_PENDING: Final = {
    "eventName": ["INSERT"],
    "dynamodb": {"NewImage": {"provisioningStatus": {"S": ["PENDING"]}}},
}


def _document(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
