locals {
  function_name          = "${var.context.name_prefix}-${var.service}"
  dead_letter_queue_name = "${local.function_name}-dlq"
  log_group_name         = "/aws/lambda/${local.function_name}"
  zip_path               = replace(var.context.zip_path, "{service}", var.service)

  # Built from names, so that every policy is fully known in the plan and can be checked there.
  dead_letter_queue_arn = "arn:${var.context.partition}:sqs:${var.context.region}:${var.context.account_id}:${local.dead_letter_queue_name}"
  log_group_arn         = "arn:${var.context.partition}:logs:${var.context.region}:${var.context.account_id}:log-group:${local.log_group_name}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  retention_in_days = var.context.log_retention_days
}

# A caller that waits is told of a failure: there is nothing to keep then.
resource "aws_sqs_queue" "dead_letter" {
  count = var.synchronous ? 0 : 1

  name                      = local.dead_letter_queue_name
  message_retention_seconds = 14 * 24 * 60 * 60
  sqs_managed_sse_enabled   = true

  # Here and not in an aws_sqs_queue_policy: the provider waits about 25 seconds more for that.
  # Only the function's own role writes to a queue without sources, and needs no queue policy for it.
  policy = length(var.dead_letter_source_arns) > 0 ? data.aws_iam_policy_document.dead_letter_queue.json : null
}

resource "aws_lambda_function" "this" {
  function_name    = local.function_name
  description      = var.description
  role             = aws_iam_role.this.arn
  runtime          = "python3.13"
  architectures    = [var.architecture]
  handler          = "${replace(var.service, "-", "_")}.handler.handler"
  filename         = local.zip_path
  source_code_hash = filebase64sha256(local.zip_path)
  timeout          = var.timeout
  memory_size      = var.memory_size

  reserved_concurrent_executions = var.reserved_concurrent_executions

  environment {
    variables = merge(
      var.environment_variables,
      var.context.function_environment,
      # The whole name: metrics of two environments in one account must not add up.
      { POWERTOOLS_SERVICE_NAME = local.function_name },
      { for queue in aws_sqs_queue.dead_letter : "DEAD_LETTER_QUEUE_URL" => queue.url },
    )
  }

  tracing_config {
    mode = "Active"
  }

  # Without the policy the first invocations fail; without the log group Lambda would want to
  # create one itself, which the role does not allow.
  depends_on = [
    aws_iam_role_policy.this,
    aws_cloudwatch_log_group.this,
  ]
}
