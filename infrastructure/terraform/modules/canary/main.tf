locals {
  rule_name = "${var.name_prefix}-canary"
  rule_arn  = "arn:${var.partition}:events:${var.region}:${var.account_id}:rule/${local.rule_name}"
}

module "function" {
  source = "../lambda-function"

  function_name = "${var.name_prefix}-canary"
  description   = "Onboards the canary tenant again and again, and says whether that works"
  zip_path      = var.zip_path
  handler       = "canary.handler.handler"
  policy_json   = data.aws_iam_policy_document.this.json
  role_path     = "/tenkacloud/${var.environment}/control-plane/"
  timeout       = 120

  # No queue: a run that failed is told by the alarm, and the next one begins where it ended.
  synchronous        = true
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = var.account_id
  region             = var.region
  partition          = var.partition

  environment_variables = {
    TABLE_NAME       = var.table_name
    DATA_BUCKET_NAME = var.data_bucket_name
    ACCOUNT_ID       = var.account_id
  }
}

# On the default bus: schedules exist on no other.
resource "aws_cloudwatch_event_rule" "schedule" {
  name                = local.rule_name
  description         = "Looks at the canary tenant, and onboards it again"
  schedule_expression = "rate(${var.period_minutes} ${var.period_minutes == 1 ? "minute" : "minutes"})"
  state               = var.scheduled ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "canary" {
  rule      = aws_cloudwatch_event_rule.schedule.name
  target_id = "canary"
  arn       = module.function.function_arn

  # A run that is missed is not made up for: the next one looks at the same.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }

  depends_on = [aws_lambda_permission.schedule]
}

resource "aws_lambda_permission" "schedule" {
  statement_id  = "CanarySchedule"
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
