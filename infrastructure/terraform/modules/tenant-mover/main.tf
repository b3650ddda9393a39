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
      values   = ["TenantTierChanged", "TenantExported", "TenantOperationProgressed"]
    }
  }
}

module "consumer" {
  source = "../queue-consumer"

  context = var.context

  event = {
    bus_name     = var.event_bus_name
    source       = "tenkacloud.control-plane"
    detail_types = ["TenantTierChanging", "TenantExporting"]
  }

  function = {
    service     = "tenant-mover"
    plane       = "application"
    description = "Moves tenants' objects from one place to another, and exports tenants"
    policy_json = data.aws_iam_policy_document.this.json
    timeout     = 300
    # One whole CPU: 32 copies side by side need one, and a second's work costs the same either way.
    memory_size = 1769

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
      MULTIPART_THRESHOLD_BYTES   = tostring(var.multipart_threshold_bytes)
    }
  }
}
