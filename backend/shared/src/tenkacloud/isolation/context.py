"""Whose request this is: a tenant id, and who vouches for it.

`TenantAccess` takes a `TenantContext` and no bare string, so that the question where an id came from has to
be answered before a tenant's data can be reached. There are three answers: an authorizer that has verified a
signed token, and the control plane's events of an onboarding or of an operation. A body, a path or a header
is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tenkacloud.errors import InvalidFieldError, NotVerifiedError
from tenkacloud.events.contract import CONTROL_PLANE
from tenkacloud.events.operation import OperationEvent
from tenkacloud.events.tenant_onboarding import TenantOnboarding
from tenkacloud.tenants.validation import TenantId, parse_tenant_id

_PAYLOAD_VERSION: Final = "2.0"


@dataclass(frozen=True)
class TenantContext:
    """A verified tenant id. Made by the functions below, and nowhere else."""

    tenant_id: TenantId


def from_jwt_authorizer(event: Mapping[str, object], claim: str) -> TenantContext:
    """Return the tenant that a JWT authorizer of an HTTP API vouches for.

    `event` is a Lambda proxy event, payload format 2.0: API Gateway verifies the token and puts its claims,
    as strings, under `requestContext.authorizer.jwt.claims`; a client can't write there.

    Raises:
        NotVerifiedError: no JWT authorizer stands before the route, or its token names no valid tenant.
    """
    if event.get("version") != _PAYLOAD_VERSION:
        raise NotVerifiedError(f"this is not an event of an HTTP API, payload format {_PAYLOAD_VERSION}")
    claims: object = event
    for name in ("requestContext", "authorizer", "jwt", "claims"):
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    if not isinstance(claims, Mapping):
        raise NotVerifiedError("no JWT authorizer has verified this request")
    try:
        return TenantContext(parse_tenant_id(f"claim {claim}", claims.get(claim)))
    except InvalidFieldError as error:
        raise NotVerifiedError(f"the token names no tenant: {error}") from None


def from_onboarding(event: TenantOnboarding) -> TenantContext:
    """Return the tenant that the control plane has onboarded, by an event that `EventConsumer` opened."""
    return TenantContext(event.tenant_id)


def from_operation(event: OperationEvent) -> TenantContext:
    """Return the tenant whose operation the control plane requests, by an event that a consumer opened.

    Raises:
        NotVerifiedError: it is an event of the application plane, which vouches for no tenant.
    """
    if event.SOURCE != CONTROL_PLANE:
        raise NotVerifiedError(f"{event.DETAIL_TYPE} is no request of the control plane")
    return TenantContext(event.tenant_id)
