"""What a provisioner is."""

from typing import Protocol, TypedDict

from tenkacloud.events.tenant_onboarding import TenantOnboarding


class Resources(TypedDict, total=False):
    """What a tenant got, as `TenantProvisioned.resources` names it; one of the two."""

    s3Prefix: str
    dedicatedBucket: str


class Provisioner(Protocol):
    """Builds what one tenant needs. Called any number of times for a tenant, with one outcome."""

    def provision(self, tenant: TenantOnboarding) -> Resources:
        """Build the tenant's resources, or find them built.

        Raises:
            PermanentError: no retry can build them; the reason is for operators.
            botocore.exceptions.ClientError: anything else; worth a retry.
        """
        ...
