locals {
  rule_arn = "arn:${var.partition}:events:${var.region}:${var.account_id}:rule/${var.event_bus_name}/${var.name_prefix}-tenant-onboarding"
}

module "function" {
  source = "../lambda-function"

  function_name           = "${var.name_prefix}-tenant-provisioner"
  description             = "Creates the resources of a tenant and reports the result"
  zip_path                = var.zip_path
  handler                 = "tenant_provisioner.handler.handler"
  policy_json             = data.aws_iam_policy_document.this.json
  role_path               = "/tenkacloud/${var.environment}/application-plane/"
  timeout                 = 60
  log_retention_days      = var.log_retention_days
  log_level               = var.log_level
  dead_letter_source_arns = [local.rule_arn]
  account_id              = var.account_id
  region                  = var.region
  partition               = var.partition

  environment_variables = {
    TABLE_NAME             = var.table_name
    EVENT_BUS_NAME         = var.event_bus_name
    DATA_BUCKET_NAME       = var.data_bucket_name
    TENKACLOUD_ENVIRONMENT = var.environment
    TENANT_ACCESS_ROLE_ARN = var.tenant_access_role_arn
    ACCOUNT_ID             = var.account_id
  }
}

resource "aws_cloudwatch_event_rule" "tenant_onboarding" {
  name           = "${var.name_prefix}-tenant-onboarding"
  event_bus_name = var.event_bus_name
  event_pattern = jsonencode({
    source      = ["tenkacloud.control-plane"]
    detail-type = ["TenantOnboarding"]
  })
}

resource "aws_cloudwatch_event_target" "tenant_provisioner" {
  rule           = aws_cloudwatch_event_rule.tenant_onboarding.name
  event_bus_name = var.event_bus_name
  target_id      = "tenant-provisioner"
  arn            = module.function.function_arn

  # For what EventBridge cannot hand to Lambda.
  retry_policy {
    maximum_event_age_in_seconds = 6 * 60 * 60
    maximum_retry_attempts       = 20
  }

  dead_letter_config {
    arn = module.function.dead_letter_queue_arn
  }

  # A target without the permission loses its first events.
  depends_on = [aws_lambda_permission.tenant_onboarding]
}

resource "aws_lambda_permission" "tenant_onboarding" {
  statement_id  = "TenantOnboardingRule"
  action        = "lambda:InvokeFunction"
  function_name = module.function.function_name
  principal     = "events.amazonaws.com"
  source_arn    = local.rule_arn
}

# For what Lambda took and the function then failed on: EventBridge invokes asynchronously, so
# these retries are Lambda's and the rule's target never sees the error.
resource "aws_lambda_function_event_invoke_config" "this" {
  function_name                = module.function.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 6 * 60 * 60

  destination_config {
    on_failure {
      destination = module.function.dead_letter_queue_arn
    }
  }
}
