locals {
  table_arn     = "arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${var.table_name}"
  event_bus_arn = "arn:${var.partition}:events:${var.region}:${var.account_id}:event-bus/${var.event_bus_name}"
}

data "aws_iam_policy_document" "this" {
  # The sparse index and nothing else: the table can't be listed with this.
  statement {
    sid       = "FindStuckTenants"
    actions   = ["dynamodb:Query"]
    resources = ["${local.table_arn}/index/in-flight"]
  }

  statement {
    sid       = "ReadTenants"
    actions   = ["dynamodb:BatchGetItem"]
    resources = [local.table_arn]
  }

  statement {
    sid       = "MarkTenant"
    actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [local.table_arn]
  }

  # On AWS both keys are always there; IfExists only serves engines that do not fill them.
  statement {
    sid       = "RequestOnboarding"
    actions   = ["events:PutEvents"]
    resources = [local.event_bus_arn]

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:source"
      values   = ["tenkacloud.control-plane"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:detail-type"
      values   = ["TenantOnboarding"]
    }
  }
}
