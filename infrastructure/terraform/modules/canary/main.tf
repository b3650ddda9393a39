locals {
  table_arn     = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  tenant_id     = "canary" # tenkacloud's CANARY_ID
  marker_object = "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}/tenants/${local.tenant_id}/.tenkacloud.json"
}

data "aws_iam_policy_document" "this" {
  # One partition: no other tenant's record or history.
  statement {
    sid       = "ReplaceCanary"
    actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    resources = [local.table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["TENANT#${local.tenant_id}"]
    }

    # ForAllValues is true of a request without the key, too.
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  # One object. Older versions of it are the bucket's lifecycle's.
  statement {
    sid       = "RemoveMarker"
    actions   = ["s3:DeleteObject"]
    resources = [local.marker_object]
  }
}

module "consumer" {
  source = "../event-consumer"

  context = var.context

  schedule = {
    description    = "Looks at the canary tenant, and onboards it again"
    period_minutes = var.period_minutes
    enabled        = var.scheduled
  }

  function = {
    service     = "canary"
    plane       = "control"
    description = "Onboards the canary tenant again and again, and says whether that works"
    policy_json = data.aws_iam_policy_document.this.json
    timeout     = 120

    environment_variables = {
      TABLE_NAME       = var.context.table_name
      DATA_BUCKET_NAME = var.context.data_bucket_name
      ACCOUNT_ID       = var.context.account_id
    }
  }
}
