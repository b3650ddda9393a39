# A function that works through a queue, one message at a time. Its messages are events of a bus, which a rule
# puts there, and what the function itself puts there: the rest of a piece of work that takes longer than one
# invocation. A message that fails again and again ends in the function's dead-letter queue, like an event that
# could not be delivered.
locals {
  name       = "${var.context.name_prefix}-${var.function.service}"
  queue_name = "${local.name}-queue"

  # Built from names, so that every policy is fully known in the plan and can be checked there.
  queue_arn = "arn:${var.context.partition}:sqs:${var.context.region}:${var.context.account_id}:${local.queue_name}"
  rule_arn  = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:rule/${var.event.bus_name}/${local.name}"

  # Of what EventBridge can't hand to the queue. As event-consumer.
  delivery = { age = 6 * 60 * 60, rule_retries = 20 }
}

data "aws_iam_policy_document" "function" {
  source_policy_documents = [var.function.policy_json]

  # Lambda reads the queue with the function's role.
  statement {
    sid = "ReadQueue"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
    ]
    resources = [local.queue_arn]
  }

  # The rest of a piece of work is a message of its own; one that failed comes again soon.
  statement {
    sid       = "GoOnWithTheRest"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:SendMessage"]
    resources = [local.queue_arn]
  }
}

# No deny of insecure transport here, for the reasons that lambda-function gives for its queue.
data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "RuleSendsEvents"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.rule_arn]
    }
  }
}

module "function" {
  source = "../lambda-function"

  context                 = var.context
  service                 = var.function.service
  plane                   = var.function.plane
  description             = var.function.description
  policy_json             = data.aws_iam_policy_document.function.json
  environment_variables   = merge(var.function.environment_variables, { QUEUE_URL = aws_sqs_queue.this.url })
  timeout                 = var.function.timeout
  memory_size             = var.function.memory_size
  dead_letter_source_arns = [local.rule_arn]
}

resource "aws_sqs_queue" "this" {
  name                    = local.queue_name
  sqs_managed_sse_enabled = true

  # Lambda's advice for queues that a function reads: six times the function's time-out, and at least five
  # receives. What is in there for as long as it is kept has waited for a function that is not running; the
  # dead-letter queue keeps its messages longer, since their age counts from here.
  visibility_timeout_seconds = 6 * var.function.timeout
  message_retention_seconds  = 4 * 24 * 60 * 60

  redrive_policy = jsonencode({
    deadLetterTargetArn = module.function.dead_letter_queue.arn
    maxReceiveCount     = 5
  })

  # Here and not in an aws_sqs_queue_policy: the provider waits about 25 seconds more for that.
  policy = data.aws_iam_policy_document.queue.json
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn = local.queue_arn
  function_name    = module.function.function.arn

  # A message is as much work as one invocation does. More than one at a time would only fail together.
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }

  # Its ARN is built from its name.
  depends_on = [aws_sqs_queue.this]
}

resource "aws_cloudwatch_event_rule" "this" {
  name           = local.name
  event_bus_name = var.event.bus_name
  event_pattern  = jsonencode({ source = [var.event.source], detail-type = var.event.detail_types })
}

resource "aws_cloudwatch_event_target" "this" {
  rule           = aws_cloudwatch_event_rule.this.name
  event_bus_name = var.event.bus_name
  target_id      = var.function.service
  arn            = local.queue_arn

  retry_policy {
    maximum_event_age_in_seconds = local.delivery.age
    maximum_retry_attempts       = local.delivery.rule_retries
  }

  dead_letter_config {
    arn = module.function.dead_letter_queue.arn
  }

  # A target whose queue is not there, or does not let it in, loses its first events.
  depends_on = [aws_sqs_queue.this]
}
