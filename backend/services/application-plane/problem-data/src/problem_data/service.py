"""Answering one request: for the tenant that its token names, and with that tenant's session."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from problem_data.api import ROUTES, Answer, failure
from tenkacloud.errors import InvalidFieldError, NotVerifiedError, TenantDeniedError, TenantReadOnlyError
from tenkacloud.isolation.context import from_jwt_authorizer
from tenkacloud.isolation.sessions import TenantAccess
from tenkacloud.platform.clock import Clock
from tenkacloud.platform.telemetry import logger, metrics

#: Seconds after which a client may try again to write a file. A move's end takes the drain and some seconds.
RETRY_AFTER: Final = 5


@dataclass(frozen=True)
class ProblemData:
    """The API. `tenant_claim` is the claim of a token that holds the tenant's id."""

    access: TenantAccess
    tenant_claim: str
    clock: Clock

    def handle(self, event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
        """Answer one request of an HTTP API, payload format 2.0.

        Raises:
            Exception: whatever AWS or this code failed with; API Gateway answers 500, and it is counted.
        """
        metrics.add_metric("TenantRequest", MetricUnit.Count, 1)
        route = str(event.get("routeKey"))
        answer = self._answer(route, event)
        logger.info("Answered", route=route, status=int(answer.status))
        return answer.proxy()

    def _answer(self, route: str, event: dict[str, Any]) -> Answer:
        if route not in ROUTES:
            return failure(HTTPStatus.NOT_FOUND, "there is no such route")
        try:
            tenant = from_jwt_authorizer(event, self.tenant_claim)
            logger.append_keys(tenant_id=tenant.tenant_id)
            return ROUTES[route](self.access.session(tenant), event, self.clock.now())
        except (NotVerifiedError, TenantDeniedError) as error:
            # Said to the client, too: the token is verified, so it can only ask about its own tenant.
            logger.warning("Access denied", reason=str(error))
            metrics.add_metric("TenantAccessDenied", MetricUnit.Count, 1)
            return failure(HTTPStatus.FORBIDDEN, str(error))
        except TenantReadOnlyError as error:
            metrics.add_metric("TenantReadOnly", MetricUnit.Count, 1)
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, str(error), {"Retry-After": str(RETRY_AFTER)})
        except InvalidFieldError as error:
            return failure(HTTPStatus.BAD_REQUEST, str(error))
