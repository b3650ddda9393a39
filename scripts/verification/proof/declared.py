"""What may be: written down here, apart from the code and the Terraform that are proved.

Nothing of it is taken from `tenkacloud.isolation.policies` or from a plan. A permission that is widened there
alone is rejected; whoever means it widens it here as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# --- a session of one tenant, on what is its own ------------------------------------------------------------

TENANT_TAG: Final = "tenantId"
OBJECT_ACTIONS: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
#: What is left of them while a tenant's objects are read-only.
READ_ACTIONS: Final = ("s3:GetObject",)
LIST_ACTION: Final = "s3:ListBucket"
ITEM_ACTIONS: Final = (
    "dynamodb:GetItem",
    "dynamodb:BatchGetItem",
    "dynamodb:Query",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
)
RECORD_ACTION: Final = "dynamodb:GetItem"
#: By which a session is started. The second and third start nothing: they are part of the first.
SESSION_ACTIONS: Final = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")


@dataclass(frozen=True)
class Sessions:
    """What sessions of one role may do on what is their tenant's own: no more, and no less.

    `role` is the role's name after the environment's. `list_actions` are those with a prefix in the pool,
    `silo_list_actions` those in a bucket of the tenant's own. Exports are the tenant's objects in the exports
    bucket.
    """

    role: str
    object_actions: tuple[str, ...]
    list_actions: tuple[str, ...]
    silo_list_actions: tuple[str, ...]
    item_actions: tuple[str, ...]
    record_actions: tuple[str, ...] = ()
    export_actions: tuple[str, ...] = ()
    export_list_actions: tuple[str, ...] = ()


#: Of the services.
ACCESS: Final = Sessions(
    "tenant-access",
    OBJECT_ACTIONS,
    (LIST_ACTION,),
    (LIST_ACTION,),
    ITEM_ACTIONS,
    record_actions=(RECORD_ACTION,),
)
#: Of the functions that move, export and delete tenants' data.
MAINTENANCE: Final = Sessions(
    "tenant-maintenance",
    (
        "s3:GetObject",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:GetObjectVersionTagging",
        "s3:PutObject",
        "s3:PutObjectTagging",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
    ),
    (LIST_ACTION, "s3:ListBucketVersions"),
    # S3 does not tell IAM the prefix of the last, so that it would show every tenant's in the pool.
    (LIST_ACTION, "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"),
    ("dynamodb:Query", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
    export_actions=("s3:GetObject", "s3:PutObject", "s3:PutObjectTagging", "s3:AbortMultipartUpload"),
    export_list_actions=(LIST_ACTION,),
)
SESSIONS: Final = (ACCESS, MAINTENANCE)

# --- the functions ------------------------------------------------------------------------------------------

#: What every function may do, on anything: none of it reaches tenants' data, or another function.
HARMLESS_ACTIONS: Final = (
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "cloudwatch:PutMetricData",
)
#: Who says so in an event, by the plane of the function that sends it. What the control plane requests of a
#: tenant's data is done, so nobody else may speak for it. The engine fills in no key here, AWS always does.
SOURCES: Final[Mapping[str, str]] = {
    "control-plane": "tenkacloud.control-plane",
    "application-plane": "tenkacloud.application-plane",
}


@dataclass(frozen=True)
class Grant:
    """Actions on resources. In the texts, `<table>` and the like stand for ARNs (`arns`)."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """What one function's role may do beside `HARMLESS_ACTIONS`, at most.

    Each may also send to its dead-letter queue, and events in the name of its plane.
    """

    plane: str
    grants: tuple[Grant, ...] = ()
    #: Whose sessions it starts. Of the access role: nobody but the API, with a verified token, may wake it.
    #: Of the maintenance role: nothing but its queue, in which its rule puts the control plane's events.
    sessions: Sessions | None = None


_MARK_TENANT: Final = Grant(("dynamodb:PutItem", "dynamodb:UpdateItem"), ("<table>",))
_OF_THIS_ACCOUNT: Final = {"StringEquals": {"aws:ResourceAccount": "<account>"}}
_MARKER: Final = Grant(("s3:PutObject",), ("<data-bucket>/tenants/*/.tenkacloud.json",))
#: What makes a tenant's resources, and what takes them away again. Neither reaches the data in them.
_ENSURE: Final = (
    _MARKER,
    Grant(("s3:CreateBucket",), ("<silo-bucket>",)),
    Grant(
        (
            "s3:GetBucketPolicy",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketTagging",
            "s3:GetEncryptionConfiguration",
            "s3:ListBucket",
            "s3:PutBucketPolicy",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketTagging",
            "s3:PutBucketVersioning",
            "s3:PutEncryptionConfiguration",
        ),
        ("<silo-bucket>",),
        _OF_THIS_ACCOUNT,
    ),
    Grant(
        ("logs:CreateLogGroup", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource"),
        ("<tenant-log-group>",),
    ),
)
_REMOVE: Final = (
    Grant(
        (
            "s3:DeleteBucket",
            "s3:GetBucketPolicy",
            "s3:GetBucketTagging",
            "s3:ListBucket",
            "s3:PutBucketPolicy",
            "s3:PutBucketTagging",
        ),
        ("<silo-bucket>",),
        _OF_THIS_ACCOUNT,
    ),
    Grant(("logs:DeleteLogGroup", "logs:ListTagsForResource"), ("<tenant-log-group>",)),
)
_LOOK_FOR_REMAINS: Final = Grant(("logs:DescribeLogStreams",), ("<tenant-log-group>",))
#: The names of what nobody finished to upload to the pool. AWS does not tell IAM the prefix of this listing,
#: so a session of one tenant can't have it; what it shows is aborted with one.
LISTING_OF_UPLOADS: Final = "s3:ListBucketMultipartUploads"
_LIST_UPLOADS: Final = Grant((LISTING_OF_UPLOADS,), ("<data-bucket>",))
#: Of the functions that carry out operations: the data by sessions alone, and whether the operation is still
#: the one that the record names.
_CARRY_OUT: Final = (
    Grant(SESSION_ACTIONS, ("<tenant-maintenance-role>",)),
    Grant(("dynamodb:GetItem",), ("<table>",)),
    Grant(
        (
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ),
        ("<queue>",),
    ),
)
_OF_THE_CANARY: Final = {
    "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "TENANT#canary"},
    "Null": {"dynamodb:LeadingKeys": "false"},
}

#: A function that is not listed may do nothing but `HARMLESS_ACTIONS`.
SERVICES: Final[Mapping[str, Service]] = {
    "provisioning": Service(
        "control-plane",
        (
            Grant(
                (
                    "dynamodb:DescribeStream",
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:ListStreams",
                ),
                ("<table>/stream/*",),
            ),
            _MARK_TENANT,
        ),
    ),
    "provisioning-completion": Service(
        "control-plane", (Grant(("dynamodb:GetItem",), ("<table>",)), _MARK_TENANT)
    ),
    "reconciler": Service(
        "control-plane",
        (
            Grant(("dynamodb:Query",), ("<table>/index/in-flight", "<table>/index/due")),
            Grant(("dynamodb:BatchGetItem",), ("<table>",)),
            _MARK_TENANT,
        ),
    ),
    "canary": Service(
        "control-plane",
        (
            Grant(
                ("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"),
                ("<table>",),
                _OF_THE_CANARY,
            ),
            Grant(("s3:DeleteObject",), ("<data-bucket>/tenants/canary/.tenkacloud.json",)),
        ),
    ),
    "tenant-provisioner": Service(
        "application-plane",
        (
            *_ENSURE,
            Grant(("dynamodb:GetItem",), ("<table>",)),  # whether an event that is replayed still counts
        ),
    ),
    "problem-data": Service(
        "application-plane",
        (Grant(SESSION_ACTIONS, ("<tenant-access-role>",)),),
        sessions=ACCESS,
    ),
    "tenant-mover": Service("application-plane", (*_ENSURE, *_REMOVE, *_CARRY_OUT), sessions=MAINTENANCE),
    "tenant-deprovisioner": Service(
        "application-plane",
        (*_REMOVE, _LOOK_FOR_REMAINS, *_CARRY_OUT, _LIST_UPLOADS),
        sessions=MAINTENANCE,
    ),
}


_DEAD_LETTERS: Final = Grant(("sqs:SendMessage",), ("<dead-letters>",))


def _speaking(plane: str) -> Grant:
    return Grant(
        ("events:PutEvents",), ("<bus>",), {"StringEqualsIfExists": {"events:source": SOURCES[plane]}}
    )


#: Actions on a bucket itself. A silo's functions have these; none of them reads, writes or deletes an object.
#: `s3:ListBucket` tells them whether it is empty.
BUCKET_ACTIONS: Final = frozenset(
    {
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketTagging",
        "s3:GetEncryptionConfiguration",
        "s3:ListBucket",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketTagging",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
    }
)
#: Whatever is called so in the pool marks a tenant's prefix, and is no data.
MARKER: Final = "/.tenkacloud.json"


def policy_of(service: str, arns: Mapping[str, str]) -> dict[str, Any]:
    """Return, as a policy document, what a function's role may do at most."""
    known = SERVICES.get(service)
    arns = {
        **arns,
        "queue": f"{arns['queues']}{service}-queue",
        "dead-letters": f"{arns['queues']}{service}-dlq",
    }
    grants = () if known is None else (*known.grants, _DEAD_LETTERS, _speaking(known.plane))

    def put(text: str) -> str:
        for name, arn in arns.items():
            text = text.replace(f"<{name}>", arn)
        return text

    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(HARMLESS_ACTIONS), "Resource": "*"},
            *(
                {
                    "Effect": "Allow",
                    "Action": list(grant.actions),
                    "Resource": [put(resource) for resource in grant.resources],
                    "Condition": {
                        operator: {key: put(value) for key, value in keys.items()}
                        for operator, keys in grant.condition.items()
                    },
                }
                for grant in grants
            ),
        ],
    }


# --- a plan's resources -------------------------------------------------------------------------------------

#: Read, and bound by a property.
PROVED_TYPES: Final = frozenset(
    {
        "aws_apigatewayv2_api",
        "aws_apigatewayv2_authorizer",
        "aws_apigatewayv2_integration",
        "aws_apigatewayv2_route",
        "aws_cloudwatch_event_target",
        "aws_cognito_user_pool",
        "aws_cognito_user_pool_client",
        "aws_dynamodb_resource_policy",
        "aws_dynamodb_table",
        "aws_iam_policy",
        "aws_iam_policy_attachment",
        "aws_iam_role",
        "aws_iam_role_policy",
        "aws_iam_role_policy_attachment",
        "aws_lambda_event_source_mapping",
        "aws_lambda_function",
        "aws_lambda_permission",
        "aws_s3_bucket",
        "aws_s3_bucket_ownership_controls",
        "aws_s3_bucket_policy",
        "aws_s3_bucket_public_access_block",
        "aws_sqs_queue",
        "aws_sqs_queue_policy",
    }
)
#: They give nobody a way to tenants' data, whatever they hold.
HARMLESS_TYPES: Final = frozenset(
    {
        "aws_apigatewayv2_stage",
        "aws_cloudwatch_composite_alarm",
        "aws_cloudwatch_dashboard",
        "aws_cloudwatch_event_archive",
        "aws_cloudwatch_event_bus",
        "aws_cloudwatch_event_rule",
        "aws_cloudwatch_log_group",
        "aws_cloudwatch_log_metric_filter",
        "aws_cloudwatch_metric_alarm",
        "aws_lambda_function_event_invoke_config",  # the function's own role sends
        "aws_s3_bucket_lifecycle_configuration",
        "aws_s3_bucket_server_side_encryption_configuration",
        "aws_s3_bucket_versioning",
    }
)
#: Data sources that only look. `external` runs a program, `aws_lambda_invocation` wakes a function.
HARMLESS_DATA: Final = frozenset(
    {"aws_caller_identity", "aws_iam_policy_document", "aws_partition", "aws_region"}
)
