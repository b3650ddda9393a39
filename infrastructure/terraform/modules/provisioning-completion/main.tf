data "aws_iam_policy_document" "this" {
  statement {
    sid       = "RecordResult"
    actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = ["arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"]
  }
}

module "consumer" {
  source = "../event-consumer"

  context = var.context

  event = {
    bus_name = var.event_bus_name
    source   = "tenkacloud.application-plane"
    detail_types = [
      "TenantProvisioned",
      "TenantTierChanged",
      "TenantExported",
      "TenantDeprovisioned",
      "TenantOperationProgressed",
    ]
  }

  function = {
    service     = "provisioning-completion"
    plane       = "control"
    description = "Writes the result of a provisioning to the tenant's record"
    policy_json = data.aws_iam_policy_document.this.json

    environment_variables = {
      TABLE_NAME                 = var.context.table_name
      DRAIN_SECONDS              = tostring(var.context.waits.drain_seconds)
      RETIRE_AFTER_SECONDS       = tostring(var.context.waits.retire_after_seconds)
      VERIFY_AGAIN_AFTER_SECONDS = tostring(var.context.waits.verify_again_after_seconds)
    }
  }
}
