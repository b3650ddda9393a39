"""Lambda handler of the `problem-data` function."""

import os
from functools import cache
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from problem_data.api import ROUTES, Answer, failure
from tenkacloud.errors import InvalidFieldError, NotVerifiedError, TenantDeniedError
from tenkacloud.isolation.context import from_jwt_authorizer
from tenkacloud.isolation.sessions import TenantAccess
from tenkacloud.platform.runtime import METRICS_NAMESPACE, log_versions, required, utc_now

logger = Logger(serialize_stacktrace=False)
metrics = Metrics(namespace=METRICS_NAMESPACE)


@cache
def _access() -> TenantAccess:
    log_versions(logger)
    return TenantAccess.from_environment(os.environ)


@metrics.log_metrics(capture_cold_start_metric=True)
@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Answer one request of an HTTP API, payload format 2.0.

    Raises:
        Exception: whatever AWS or this code failed with; API Gateway answers 500, and the error is counted.
    """
    metrics.add_metric("TenantRequest", MetricUnit.Count, 1)
    route = str(event.get("routeKey"))
    answer = _answer(route, event)
    logger.info("Answered", route=route, status=int(answer.status))
    return answer.proxy()


def _answer(route: str, event: dict[str, Any]) -> Answer:
    if route not in ROUTES:
        return failure(HTTPStatus.NOT_FOUND, "there is no such route")
    try:
        tenant = from_jwt_authorizer(event, required(os.environ, "TENANT_CLAIM"))
        logger.append_keys(tenant_id=tenant.tenant_id)
        return ROUTES[route](_access().session(tenant), event, utc_now())
    except (NotVerifiedError, TenantDeniedError) as error:
        # Said to the client, too: the token is verified, so it can only ask about its own tenant.
        logger.warning("Refused", reason=str(error))
        metrics.add_metric("TenantRefused", MetricUnit.Count, 1)
        return failure(HTTPStatus.FORBIDDEN, str(error))
    except InvalidFieldError as error:
        return failure(HTTPStatus.BAD_REQUEST, str(error))
