locals {
  rule_name = "${var.name_prefix}-reconciler"
  rule_arn  = "arn:${var.partition}:events:${var.region}:${var.account_id}:rule/${local.rule_name}"
}

module "function" {
  source = "../lambda-function"

  function_name = "${var.name_prefix}-reconciler"
  description   = "Resumes tenants that are stuck in flight, and repairs those it is asked to"
  zip_path      = var.zip_path
  handler       = "reconciler.handler.handler"
  policy_json   = data.aws_iam_policy_document.this.json
  role_path     = "/tenkacloud/${var.environment}/control-plane/"
  timeout       = 300

  # One sweep at a time: two would resume the same tenants, and use up their attempts. A scheduled run that meets
  # another is put off for a minute, then dropped (see the invoke config below).
  reserved_concurrent_executions = var.reserved_concurrent_executions

  # No queue: what a run did not do, the next one finds by itself, and an operator's call waits.
  synchronous        = true
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = var.account_id
  region             = var.region
  partition          = var.partition

  environment_variables = {
    TABLE_NAME          = var.table_name
    EVENT_BUS_NAME      = var.event_bus_name
    STUCK_AFTER_SECONDS = tostring(var.stuck_after_seconds)
    RESUMPTIONS_MAX     = tostring(var.resumptions_max)
  }
}

# On the default bus: schedules exist on no other.
resource "aws_cloudwatch_event_rule" "schedule" {
  name                = local.rule_name
  description         = "Looks for tenants that are stuck"
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "reconciler" {
  rule      = aws_cloudwatch_event_rule.schedule.name
  target_id = "reconciler"
  arn       = module.function.function_arn

  # A run that is missed is not made up for: the next one is a minute away.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }

  depends_on = [aws_lambda_permission.schedule]
}

resource "aws_lambda_permission" "schedule" {
  statement_id  = "ReconcilerSchedule"
  action        = "lambda:InvokeFunction"
  function_name = module.function.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.rule_arn
}

resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = module.function.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
