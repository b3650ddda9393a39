"""A log group of its own for each ENTERPRISE tenant: for whatever runs for that tenant alone.

The proof that a step is one file and one statement: what this file does not say, nothing else does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from botocore.exceptions import ClientError

from tenkacloud.errors import PermanentError
from tenkacloud.isolation.policies import TENANT_TAG
from tenkacloud.provisioners.types import Parts, Provisioner, ProvisionerSettings, TenantSpec
from tenkacloud.tenants.validation import TenantId, Tier

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

#: Its name in the record's `resources`.
OUTPUT: Final = "logGroup"
RETENTION_DAYS: Final = 90
_EXISTS: Final = "ResourceAlreadyExistsException"
_MISSING: Final = "ResourceNotFoundException"


@dataclass(frozen=True)
class TenantLogGroup(Provisioner):
    """Makes `/tenkacloud/<environment>/tenants/<tenantId>`.

    The name is made of the id alone, in this account and region: so the group of that name is this tenant's,
    unless its tag says otherwise. `logs` returns the client, which pooled tenants don't need.
    """

    name: ClassVar[str] = "log-group"
    tiers: ClassVar[frozenset[Tier]] = frozenset({Tier.ENTERPRISE})
    stores: ClassVar[tuple[str, ...]] = ("log group /tenkacloud/<environment>/tenants/<tenantId>",)

    logs: "Callable[[], CloudWatchLogsClient]"
    settings: ProvisionerSettings

    def ensure(self, tenant: TenantSpec) -> Mapping[str, str]:
        """Make the group, tagged in the same call, and have its lines expire: two calls if it is new."""
        name = self._name(tenant)
        try:
            self.logs().create_log_group(logGroupName=name, tags={TENANT_TAG: tenant.tenant_id})
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "LimitExceededException":
                raise PermanentError(
                    "this AWS account is at its limit of log groups; raise the quota, then retry"
                ) from error
            if code != _EXISTS:
                raise
            if self._owner(tenant) is None:
                self.logs().tag_resource(resourceArn=self._arn(tenant), tags={TENANT_TAG: tenant.tenant_id})
        self.logs().put_retention_policy(logGroupName=name, retentionInDays=RETENTION_DAYS)
        return {OUTPUT: name}

    def verify(self, tenant: TenantSpec) -> list[str]:
        """Compare its tag and its retention with those that `ensure` makes."""
        name = self._name(tenant)
        # It comes first: names that go on after it sort after it.
        found = self.logs().describe_log_groups(logGroupNamePrefix=name, limit=1)["logGroups"]
        if not found or found[0].get("logGroupName") != name:
            return [f"log group {name} is absent"]
        owner = self._tags(tenant).get(TENANT_TAG)
        days = found[0].get("retentionInDays")
        return [
            f"log group {name}: {setting} is {actual or 'absent'}, wanted {wanted}"
            for setting, actual, wanted in (
                (f"tag {TENANT_TAG}", owner, tenant.tenant_id),
                ("retention in days", days, RETENTION_DAYS),
            )
            if actual != wanted
        ]

    def remove(self, tenant: TenantSpec, resources: Mapping[str, str]) -> int:  # noqa: ARG002
        """Delete it with all its lines."""
        try:
            self._owner(tenant)
            self.logs().delete_log_group(logGroupName=self._name(tenant))
        except ClientError as error:
            _expect(error, _MISSING)
            return 0
        return 1

    def remains(self, tenant: TenantSpec, resources: Mapping[str, str]) -> list[str]:  # noqa: ARG002
        """Return its name if it exists."""
        try:
            self.logs().describe_log_streams(logGroupName=self._name(tenant), limit=1)
        except ClientError as error:
            _expect(error, _MISSING)
            return []
        return [f"log group {self._name(tenant)}"]

    def _owner(self, tenant: TenantSpec) -> TenantId | None:
        """Return whose tag it bears: this tenant's, or nobody's.

        Raises:
            PermanentError: another tenant's.
        """
        owner = self._tags(tenant).get(TENANT_TAG)
        if owner not in (None, tenant.tenant_id):
            raise PermanentError(
                f"log group {self._name(tenant)} exists, but its tag {TENANT_TAG} is {owner!r}, "
                f"not {tenant.tenant_id!r}"
            )
        return None if owner is None else tenant.tenant_id

    def _tags(self, tenant: TenantSpec) -> dict[str, str]:
        return self.logs().list_tags_for_resource(resourceArn=self._arn(tenant))["tags"]

    def _name(self, tenant: TenantSpec) -> str:
        return f"/tenkacloud/{self.settings.environment}/tenants/{tenant.tenant_id}"

    def _arn(self, tenant: TenantSpec) -> str:
        given = self.settings
        return f"arn:{given.partition}:logs:{given.region}:{given.account_id}:log-group:{self._name(tenant)}"


def provisioner(parts: Parts) -> TenantLogGroup:
    """Make the step."""
    return TenantLogGroup(lambda: parts.clients.logs, parts.settings)


def _expect(error: ClientError, code: str) -> None:
    """Raise an error of CloudWatch Logs again unless it has this code."""
    if error.response["Error"]["Code"] != code:
        raise error
