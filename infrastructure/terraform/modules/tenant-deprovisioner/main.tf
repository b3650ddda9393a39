locals {
  event_bus_arn = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:event-bus/${var.event_bus_name}"
  table_arn     = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.resources_policy_json]

  # Tenants' data is reached through sessions of this role only, each for one tenant.
  statement {
    sid = "MaintainTenants"
    actions = [
      "sts:AssumeRole",
      "sts:SetSourceIdentity",
      "sts:TagSession",
    ]
    resources = [var.context.tenant_maintenance_role_arn]
  }

  # Names of uploads that nobody finished. A session may not list them in the pool: S3 does not tell IAM the
  # prefix of such a listing. It aborts them.
  statement {
    sid       = "ListUploadsOfPool"
    actions   = ["s3:ListBucketMultipartUploads"]
    resources = ["arn:${var.context.partition}:s3:::${var.context.data_bucket_name}"]
  }

  # Is the operation that a message is about still the one under way?
  statement {
    sid       = "ReadOperation"
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
      values   = ["TenantDeprovisioned", "TenantOperationProgressed"]
    }
  }
}

module "consumer" {
  source = "../queue-consumer"

  context = var.context

  event = {
    bus_name     = var.event_bus_name
    source       = "tenkacloud.control-plane"
    detail_types = ["TenantOffboarding"]
  }

  function = {
    service     = "tenant-deprovisioner"
    plane       = "application"
    description = "Purges what tenants that leave have, and looks for what may be left"
    policy_json = data.aws_iam_policy_document.this.json
    timeout     = 300
    memory_size = 512

    environment_variables = {
      TABLE_NAME                  = var.context.table_name
      DATA_TABLE_NAME             = var.context.data_table_name
      DATA_BUCKET_NAME            = var.context.data_bucket_name
      EXPORTS_BUCKET_NAME         = var.context.exports_bucket_name
      EVENT_BUS_NAME              = var.event_bus_name
      TENKACLOUD_ENVIRONMENT      = var.context.environment
      TENANT_ACCESS_ROLE_ARN      = var.context.tenant_access_role_arn
      TENANT_MAINTENANCE_ROLE_ARN = var.context.tenant_maintenance_role_arn
      ACCOUNT_ID                  = var.context.account_id
    }
  }
}
