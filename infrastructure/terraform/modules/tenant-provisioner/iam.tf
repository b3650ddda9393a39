locals {
  event_bus_arn   = "arn:${var.partition}:events:${var.region}:${var.account_id}:event-bus/${var.event_bus_name}"
  data_bucket_arn = "arn:${var.partition}:s3:::${var.data_bucket_name}"
  table_arn       = "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${var.table_name}"
  silo_bucket_arn = "arn:${var.partition}:s3:::${var.name_prefix}-silo-*"
}

data "aws_iam_policy_document" "this" {
  # Only the marker of a tenant's prefix: the function can neither read nor write tenants' data.
  statement {
    sid       = "MarkPoolTenant"
    actions   = ["s3:PutObject"]
    resources = ["${local.data_bucket_arn}/tenants/*/.tenkacloud.json"]
  }

  statement {
    sid       = "CreateSiloBucket"
    actions   = ["s3:CreateBucket"]
    resources = [local.silo_bucket_arn]
  }

  # Bucket names are global: a name somebody else took first must not be written to.
  statement {
    sid = "HardenSiloBucket"
    actions = [
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
    ]
    resources = [local.silo_bucket_arn]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [var.account_id]
    }
  }

  # Before it builds what a replayed event asks for: is the tenant still there?
  statement {
    sid       = "ReadTenantOfReplay"
    actions   = ["dynamodb:GetItem"]
    resources = [local.table_arn]
  }

  # On AWS both keys are always there; IfExists only serves engines that do not fill them.
  statement {
    sid       = "ReportResult"
    actions   = ["events:PutEvents"]
    resources = [local.event_bus_arn]

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:source"
      values   = ["tenkacloud.application-plane"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:detail-type"
      values   = ["TenantProvisioned"]
    }
  }
}
