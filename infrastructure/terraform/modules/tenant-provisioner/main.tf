locals {
  event_bus_arn   = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:event-bus/${var.event_bus_name}"
  data_bucket_arn = "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}"
  table_arn       = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  silo_bucket_arn = "arn:${var.context.partition}:s3:::${var.context.name_prefix}-silo-*"
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
      values   = [var.context.account_id]
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

module "consumer" {
  source = "../event-consumer"

  context = var.context

  event = {
    bus_name    = var.event_bus_name
    source      = "tenkacloud.control-plane"
    detail_type = "TenantOnboarding"
  }

  function = {
    service     = "tenant-provisioner"
    plane       = "application"
    description = "Creates the resources of a tenant and reports the result"
    policy_json = data.aws_iam_policy_document.this.json

    environment_variables = {
      TABLE_NAME             = var.context.table_name
      EVENT_BUS_NAME         = var.event_bus_name
      DATA_BUCKET_NAME       = var.context.data_bucket_name
      TENKACLOUD_ENVIRONMENT = var.context.environment
      TENANT_ACCESS_ROLE_ARN = var.context.tenant_access_role_arn
      ACCOUNT_ID             = var.context.account_id
    }
  }
}
