"""What an onboarding event asks for. Pure."""

from tenkacloud.errors import InvalidFieldError
from tenkacloud.events import (
    TenantOnboarding,
    TenantProvisioned,
    parse_optional_attempt,
    parse_optional_correlation_id,
)
from tenkacloud.tenants.validation import parse_object, parse_tenant_id


def parse_request(detail: object, now: str) -> TenantOnboarding | TenantProvisioned:
    """Return the onboarding to carry out; or, if only the tenant is known, its FAILED result.

    Raises:
        InvalidFieldError: not even the tenant is known, so there is no one to report to.
    """
    try:
        return TenantOnboarding.parse(detail)
    except InvalidFieldError as error:
        fields = parse_object("detail", detail)
        try:
            attempt = parse_optional_attempt(fields)
        except InvalidFieldError:
            attempt = None  # the very field that is bad; the result is then of the current attempt
        return TenantProvisioned(
            tenant_id=parse_tenant_id("detail.tenantId", fields.get("tenantId")),
            resources={},
            timestamp=now,
            failure_reason=f"the onboarding event is invalid: {error}",
            attempt=attempt,
            correlation_id=parse_optional_correlation_id(fields),
        )
