locals {
  table_arn     = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  event_bus_arn = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:event-bus/${var.context.event_bus_name}"

  tenant_keys = {
    PK = { S = [{ prefix = "TENANT#" }] }
    SK = { S = ["METADATA"] }
  }
  becomes_pending = { provisioningStatus = { S = ["PENDING"] } }

  # A tenant that enters PENDING wakes the function: written so, changed to it (also from a record that had no
  # status), or written so once more. So does one whose record says that something else is to be published,
  # and one that was put anew over a record of ours, whatever its status: only so does it lose its revision.
  # The function's own writes to the table do not. Lambda takes five patterns.
  stream_filter_patterns = [
    jsonencode({
      eventName = ["INSERT"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = local.becomes_pending
      }
    }),
    jsonencode({
      eventName = ["MODIFY"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = local.becomes_pending
        OldImage = { provisioningStatus = { S = [{ "anything-but" = ["PENDING"] }, { exists = false }] } }
      }
    }),
    # Written anew while it was PENDING. A record that we listed as in flight has an index key.
    jsonencode({
      eventName = ["MODIFY"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = merge(local.becomes_pending, { GSI3PK = { S = [{ exists = false }] } })
        OldImage = local.becomes_pending
      }
    }),
    jsonencode({
      eventName = ["MODIFY"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = { outbox = { S = [{ exists = true }] } }
      }
    }),
    jsonencode({
      eventName = ["MODIFY"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = { revision = { N = [{ exists = false }] } }
        OldImage = { revision = { N = [{ exists = true }] } }
      }
    }),
  ]
}

data "aws_iam_policy_document" "this" {
  # A stream's ARN ends in the time it was made, which no plan can know.
  statement {
    sid = "ReadTenantStream"
    actions = [
      "dynamodb:DescribeStream",
      "dynamodb:GetRecords",
      "dynamodb:GetShardIterator",
      "dynamodb:ListStreams",
    ]
    resources = ["${local.table_arn}/stream/*"]
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
      values = [
        "TenantOnboarding",
        "TenantTierChanging",
        "TenantExporting",
        "TenantOffboarding",
        "TenantSuspended",
        "TenantReactivated",
      ]
    }
  }
}

module "function" {
  source = "../lambda-function"

  context     = var.context
  service     = "provisioning"
  plane       = "control"
  description = "Publishes what the tenants' records ask for: onboardings, operations, and changes of status"
  policy_json = data.aws_iam_policy_document.this.json
  timeout     = 120

  environment_variables = {
    TABLE_NAME     = var.context.table_name
    EVENT_BUS_NAME = var.context.event_bus_name
  }
}

resource "aws_lambda_event_source_mapping" "tenant_stream" {
  event_source_arn  = var.stream_arn
  function_name     = module.function.function.arn
  starting_position = "TRIM_HORIZON"
  batch_size        = 100

  # A bad record is reported, or found by halving its batch, and put aside: the good ones around
  # it are neither lost nor held up. Retries end well before the stream forgets after 24 hours.
  function_response_types        = ["ReportBatchItemFailures"]
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = 20
  maximum_record_age_in_seconds  = 6 * 60 * 60
  parallelization_factor         = 10

  destination_config {
    on_failure {
      destination_arn = module.function.function.dead_letter_queue_arn
    }
  }

  filter_criteria {
    dynamic "filter" {
      for_each = local.stream_filter_patterns

      content {
        pattern = filter.value
      }
    }
  }
}
