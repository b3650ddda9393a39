locals {
  table_arn     = "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${var.table_name}"
  tenant_id     = "canary" # tenkacloud's CANARY_ID
  marker_object = "arn:${var.partition}:s3:::${var.data_bucket_name}/tenants/${local.tenant_id}/.tenkacloud.json"
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
