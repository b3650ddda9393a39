# A function that EventBridge wakes: by events of a bus, or by a schedule. An event that is not handled
# is retried, and then kept in the dead-letter queue. A scheduled run that is missed or fails is not made
# up for, and there is no queue: the next run finds the same work.
locals {
  scheduled = var.schedule != null

  # A rule for events is named after the first; on the default bus, where the schedules are, after its service.
  rule_name = "${var.context.name_prefix}-${local.scheduled ? var.function.service : lower(replace(var.event.detail_types[0], "/([a-z0-9])([A-Z])/", "$1-$2"))}"
  rule_arn  = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:rule/${local.scheduled ? "" : "${var.event.bus_name}/"}${local.rule_name}"

  # Retries of EventBridge are for what it cannot hand to Lambda; of Lambda, for what it took and the
  # function then failed on: EventBridge invokes asynchronously, and never sees that error.
  delivery = local.scheduled ? { age = 60, rule_retries = 0, function_retries = 0 } : { age = 6 * 60 * 60, rule_retries = 20, function_retries = 2 }
}

module "function" {
  source = "../lambda-function"

  context                        = var.context
  service                        = var.function.service
  plane                          = var.function.plane
  description                    = var.function.description
  policy_json                    = var.function.policy_json
  environment_variables          = var.function.environment_variables
  timeout                        = var.function.timeout
  memory_size                    = var.function.memory_size
  reserved_concurrent_executions = var.function.reserved_concurrent_executions
  synchronous                    = local.scheduled
  dead_letter_source_arns        = local.scheduled ? [] : [local.rule_arn]
}

resource "aws_cloudwatch_event_rule" "this" {
  name                = local.rule_name
  description         = one(var.schedule[*].description)
  event_bus_name      = one(var.event[*].bus_name)
  event_pattern       = one([for event in var.event[*] : jsonencode({ source = [event.source], detail-type = event.detail_types })])
  schedule_expression = one([for schedule in var.schedule[*] : "rate(${schedule.period_minutes} ${schedule.period_minutes == 1 ? "minute" : "minutes"})"])
  state               = one([for schedule in var.schedule[*] : schedule.enabled ? "ENABLED" : "DISABLED"])
}

resource "aws_cloudwatch_event_target" "this" {
  rule           = aws_cloudwatch_event_rule.this.name
  event_bus_name = one(var.event[*].bus_name)
  target_id      = var.function.service
  arn            = module.function.function.arn

  retry_policy {
    maximum_event_age_in_seconds = local.delivery.age
    maximum_retry_attempts       = local.delivery.rule_retries
  }

  dynamic "dead_letter_config" {
    for_each = local.scheduled ? [] : [module.function.function.dead_letter_queue_arn]

    content {
      arn = dead_letter_config.value
    }
  }

  # A target without the permission loses its first events.
  depends_on = [aws_lambda_permission.this]
}

resource "aws_lambda_permission" "this" {
  statement_id  = local.scheduled ? "${join("", [for word in split("-", var.function.service) : title(word)])}Schedule" : "${var.event.detail_types[0]}Rule"
  action        = "lambda:InvokeFunction"
  function_name = module.function.function.name
  principal     = "events.amazonaws.com"
  source_arn    = local.rule_arn
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = module.function.function.name
  maximum_retry_attempts       = local.delivery.function_retries
  maximum_event_age_in_seconds = local.delivery.age

  dynamic "destination_config" {
    for_each = local.scheduled ? [] : [module.function.function.dead_letter_queue_arn]

    content {
      on_failure {
        destination = destination_config.value
      }
    }
  }
}
