"""What offboarding does with every store: declared once, and compared with a plan (also `tests/proof`)."""

import pytest

from scripts.tooling.project import ROOT
from tenkacloud.provisioners.inventory import STORES, Handling, gaps, remains

PLANNED = [
    ("module.stack.module.tenant_table.aws_dynamodb_table.this", "aws_dynamodb_table"),
    ("module.stack.module.tenant_data_table.aws_dynamodb_table.this", "aws_dynamodb_table"),
    ("module.stack.module.data_bucket.module.bucket.aws_s3_bucket.this", "aws_s3_bucket"),
    ("module.stack.module.exports_bucket.module.bucket.aws_s3_bucket.this", "aws_s3_bucket"),
    ("module.stack.module.event_bus.aws_cloudwatch_event_archive.this", "aws_cloudwatch_event_archive"),
    ("module.stack.module.provisioning.module.function.aws_sqs_queue.dead_letter[0]", "aws_sqs_queue"),
    ('module.a["x.y"].aws_cloudwatch_log_group.this', "aws_cloudwatch_log_group"),
    ("module.identity_provider.aws_cognito_user_pool.this", "aws_cognito_user_pool"),
    ("module.stack.module.provisioning.module.function.aws_lambda_function.this", "aws_lambda_function"),
]


def test_a_plan_with_these_stores_has_no_gaps() -> None:
    assert list(gaps(PLANNED)) == []


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("module.stack.module.reports.aws_s3_bucket.this", "aws_s3_bucket"),
        ("module.stack.module.sessions.aws_dynamodb_table.this", "aws_dynamodb_table"),
        ("module.stack.module.search.aws_opensearch_domain.this", "aws_opensearch_domain"),
        # A name that only begins or ends like one that is known.
        ("module.stack.module.tenant_table_of_old.aws_dynamodb_table.this", "aws_dynamodb_table"),
        ("module.stack.module.old_tenant_table.aws_dynamodb_table.this", "aws_dynamodb_table"),
    ],
)
def test_a_store_that_offboarding_forgets_is_told(address: str, kind: str) -> None:
    (gap,) = gaps([*PLANNED, (address, kind)])
    assert gap.startswith(f"{address}: what does offboarding do with it?")


def test_a_store_that_is_gone_is_told() -> None:
    (gap,) = gaps(each for each in PLANNED if "exports_bucket" not in each[0])
    assert "is the store exports gone?" in gap


def test_names_are_unique_and_what_is_not_deleted_says_what_remains() -> None:
    names = [store.name for store in STORES]
    assert len(set(names)) == len(names)
    for store in STORES:
        if store.handling is not Handling.PURGED:
            assert store.name in remains()


def test_the_page_has_a_row_for_each_store() -> None:
    page = (ROOT / "docs" / "provisioners.md").read_text(encoding="utf-8")
    for store in STORES:
        assert f"| `{store.name}` " in page
