locals {
  tenant_keys = {
    PK = { S = [{ prefix = "TENANT#" }] }
    SK = { S = ["METADATA"] }
  }
  becomes_pending = { provisioningStatus = { S = ["PENDING"] } }

  # Only a tenant that enters PENDING wakes the function: written so, changed to it, changed to it
  # from a record that had no status, or written so once more. Its own writes to the table do not.
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
        OldImage = { provisioningStatus = { S = [{ "anything-but" = ["PENDING"] }] } }
      }
    }),
    jsonencode({
      eventName = ["MODIFY"]
      dynamodb = {
        Keys     = local.tenant_keys
        NewImage = local.becomes_pending
        OldImage = { provisioningStatus = { S = [{ exists = false }] } }
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
  ]
}

module "function" {
  source = "../lambda-function"

  function_name      = "${var.name_prefix}-provisioning"
  description        = "Asks the application plane to provision each tenant that becomes PENDING"
  zip_path           = var.zip_path
  handler            = "provisioning.handler.handler"
  policy_json        = data.aws_iam_policy_document.this.json
  role_path          = "/tenkacloud/${var.environment}/control-plane/"
  timeout            = 120
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = var.account_id
  region             = var.region
  partition          = var.partition

  environment_variables = {
    TABLE_NAME     = var.table_name
    EVENT_BUS_NAME = var.event_bus_name
  }
}

resource "aws_lambda_event_source_mapping" "tenant_stream" {
  event_source_arn  = var.stream_arn
  function_name     = module.function.function_arn
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
      destination_arn = module.function.dead_letter_queue_arn
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
