"""One deployed environment: the names that Terraform put out, and where to look when something is wrong."""

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, Final

from scripts.tooling.aws import Clients
from scripts.tooling.terraform import Terraform

PROVISIONING: Final = "provisioning"
PROVISIONER: Final = "tenant-provisioner"
MOVER: Final = "tenant-mover"
DEPROVISIONER: Final = "tenant-deprovisioner"
COMPLETION: Final = "provisioning-completion"
CANARY: Final = "canary"
PROBLEM_DATA: Final = "problem-data"


@dataclass(frozen=True)
class Deployment:
    """The outputs of an environment's root. The maps are keyed by service name.

    A function that is invoked synchronously has no dead-letter queue. `user_pool_id` and
    `user_pool_client_id` are None where the tokens come from elsewhere.
    """

    environment: str
    region: str
    account_id: str
    table_name: str
    data_table_name: str
    event_bus_name: str
    event_bus_arn: str
    event_archive_name: str
    data_bucket_name: str
    tenant_access_role_arn: str
    lambda_function_names: dict[str, str]
    function_role_names: dict[str, str]
    log_group_names: dict[str, str]
    dead_letter_queue_urls: dict[str, str]
    problem_data_api_url: str
    jwt_issuer: str
    jwt_audience: list[str]
    tenant_claim: str
    user_pool_id: str | None
    user_pool_client_id: str | None
    #: What functions were given, where the root says it: by service and by Terraform's name of the variable.
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    #: The queues that functions read, by service: a function that reads none has none.
    queue_urls: Mapping[str, str] = field(default_factory=dict)
    #: How long what takes time in a tenant's life may or must take, by Terraform's name of the variable.
    lifecycle: Mapping[str, int] = field(default_factory=dict)
    #: Where exports are kept, None in an environment that was applied before there were any.
    exports_bucket_name: str | None = None

    @classmethod
    def of(cls, terraform: Terraform) -> "Deployment":
        """Return what Terraform has deployed.

        Raises:
            CommandError: nothing.
        """
        outputs = terraform.outputs()
        fields = dataclasses.fields(cls)
        required = [each.name for each in fields if each.default is each.default_factory is MISSING]
        optional = [each.name for each in fields if each.name not in required and each.name in outputs]
        return cls(**{name: outputs[name] for name in (*required, *optional)})

    @property
    def tenant_access_role_name(self) -> str:
        """Name of the role whose sessions act for one tenant."""
        return self.tenant_access_role_arn.rsplit("/", 1)[1]

    @property
    def tenant_maintenance_role_arn(self) -> str:
        """ARN of the role whose sessions move, export and delete one tenant's data."""
        return f"{self.tenant_access_role_arn.removesuffix('access')}maintenance"

    def where_to_look(self, clients: Clients, service: str) -> list[str]:
        """Return lines that lead an operator to what a service did: function, logs, queue, last errors."""
        depths = self.dead_letters(clients)
        queue = self.dead_letter_queue_urls.get(service)
        return [
            f"function   {self.lambda_function_names[service]}",
            f"log group  {self.log_group_names[service]}",
            *([f"queue      {queue} ({depths[service]} messages)"] if queue else []),
            *(f"last error {line}" for line in list(self.errors(clients, service))[-3:]),
        ]

    def errors(
        self, clients: Clients, service: str, since: float = 0, tenant_ids: Collection[str] = ()
    ) -> Iterator[str]:
        """Yield what a service logged as errors, oldest first, shortened.

        `since` is in seconds since the epoch. With `tenant_ids`, only errors about these. On AWS a line can
        take some seconds until it can be read.
        """
        found = clients.logs.filter_log_events(
            logGroupName=self.log_group_names[service], filterPattern="ERROR", startTime=int(since * 1000)
        )
        for event in found["events"]:
            entry = _structured(str(event.get("message", "")))
            if entry.get("level") == "ERROR" and (not tenant_ids or entry.get("tenant_id") in tenant_ids):
                error = str(entry.get("exception", "")).strip().splitlines()[-1:]
                said = [entry.get("tenant_id"), entry.get("message"), entry.get("reason"), *error]
                yield ": ".join(str(part) for part in said if part)

    def dead_letters(self, clients: Clients) -> dict[str, int]:
        """Return the number of messages in each dead-letter queue, by service name."""
        depths = {}
        for service, url in self.dead_letter_queue_urls.items():
            attributes = clients.sqs.get_queue_attributes(
                QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
            )["Attributes"]
            depths[service] = int(attributes["ApproximateNumberOfMessages"])
        return depths


def _structured(line: str) -> dict[str, Any]:
    """Return a structured log line's content, nothing for any other line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
