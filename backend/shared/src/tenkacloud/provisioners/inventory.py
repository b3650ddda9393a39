"""Every store that may hold something of a tenant, and what offboarding does with it. Pure.

`STORES` are those that Terraform makes, for all tenants; a test compares them with a plan, so that nobody
adds one that offboarding forgets. What is made for one tenant is named by its step (`Provisioner.stores`),
and removed by it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Handling(StrEnum):
    """What offboarding does with what a store holds of a tenant.

    PURGED: deletes it, and looks whether it is gone. EXPIRES: nothing, it ends by itself. KEPT: it stays, and
    names no person. FOREIGN: it is others' to see to.
    """

    PURGED = "PURGED"
    EXPIRES = "EXPIRES"
    KEPT = "KEPT"
    FOREIGN = "FOREIGN"


@dataclass(frozen=True)
class Store:
    """Some of Terraform's resources, by their addresses without an instance's key: `*` stands for any text.

    `holds` says what they hold of a tenant, `remains` what of it is still there after an offboarding, and
    until when; None: nothing.
    """

    name: str
    type: str
    modules: str
    holds: str
    handling: Handling
    remains: str | None = None

    def matches(self, address: str, kind: str) -> bool:
        """Tell whether a resource of this address and type is one of them."""
        pattern = ".*".join(re.escape(part) for part in self.modules.split("*"))
        return (
            kind == self.type
            and re.fullmatch(rf"(?:.*\.)?{pattern}\.{re.escape(kind)}\.\w+", address) is not None
        )


STORES: Final = (
    Store(
        "record",
        "aws_dynamodb_table",
        "module.tenant_table",
        "the record, its history, requests' idempotency keys, and after an offboarding the certificate",
        Handling.KEPT,
        "the id with its tier and dates, its transitions and its certificate, for ever; no name, no reason",
    ),
    Store(
        "items",
        "aws_dynamodb_table",
        "module.tenant_data_table",
        "the tenant's items",
        Handling.PURGED,
        "point-in-time recovery keeps the table's past for 35 days",
    ),
    Store(
        "pool",
        "aws_s3_bucket",
        "module.data_bucket.*",
        "a pooled tenant's objects, their versions, delete markers and unfinished uploads",
        Handling.PURGED,
    ),
    Store(
        "exports",
        "aws_s3_bucket",
        "module.exports_bucket.*",
        "exports, and who was at work for a move or an export",
        Handling.EXPIRES,
        "an export, until its expiry",
    ),
    Store(
        "eventArchive",
        "aws_cloudwatch_event_archive",
        "module.event_bus",
        "all events, with the tenant's id, name and slug",
        Handling.EXPIRES,
        "the archive keeps events for its retention",
    ),
    Store(
        "queues",
        "aws_sqs_queue",
        "*",
        "events on their way, and those that could not be handled",
        Handling.EXPIRES,
        "a queue keeps messages for 14 days at most",
    ),
    Store(
        "logs",
        "aws_cloudwatch_log_group",
        "*",
        "log lines, which name the tenant by its id",
        Handling.EXPIRES,
        "log groups keep lines for their retention",
    ),
    Store(
        "users",
        "aws_cognito_user_pool",
        "module.identity_provider",
        "accounts of the tenant's users, with its id as a claim",
        Handling.FOREIGN,
        "whoever runs the identity provider deletes the users; their tokens open nothing any more",
    ),
)
#: Terraform's types of what holds nothing of a tenant, whatever is done with it.
STATELESS_TYPES: Final = frozenset(
    {
        "aws_apigatewayv2_api",
        "aws_apigatewayv2_authorizer",
        "aws_apigatewayv2_integration",
        "aws_apigatewayv2_route",
        "aws_apigatewayv2_stage",
        "aws_cloudwatch_composite_alarm",
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_event_bus",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_event_target",
        "aws_cloudwatch_log_metric_filter",
        "aws_cloudwatch_metric_alarm",
        "aws_cognito_resource_server",
        "aws_cognito_user_group",
        "aws_cognito_user_pool_client",
        "aws_cognito_user_pool_domain",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_lambda_event_source_mapping",
        "aws_lambda_function",
        "aws_lambda_function_event_invoke_config",
        "aws_lambda_permission",
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
        "aws_sqs_queue_policy",
    }
)


def remains() -> dict[str, str]:
    """Return what is still there of a tenant after an offboarding, and until when, by the store's name."""
    return {store.name: store.remains for store in STORES if store.remains is not None}


def gaps(resources: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield how the stores of a plan and `STORES` differ, a line for each difference.

    `resources`: the address and the type of each managed resource of the plan.
    """
    found: Mapping[Store, list[str]] = {store: [] for store in STORES}
    for address, kind in resources:
        if kind in STATELESS_TYPES:
            continue
        plain = re.sub(r"\[[^]]*\]", "", address)
        stores = [store for store in STORES if store.matches(plain, kind)]
        for store in stores:
            found[store].append(address)
        if not stores:
            yield f"{address}: what does offboarding do with it? Add it to STORES, or to STATELESS_TYPES"
        elif len(stores) > 1:
            yield f"{address} is in several stores: {', '.join(store.name for store in stores)}"
    for store, addresses in found.items():
        if not addresses:
            yield f"there is no {store.type} in {store.modules}: is the store {store.name} gone?"
