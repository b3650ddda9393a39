output "function" {
  description = "What others need of the function: as modules/lambda-function says, the rule of the bus, and the queue between the two."
  value = merge(module.function.function, {
    event_rule_name = aws_cloudwatch_event_rule.this.name
    event_pattern   = aws_cloudwatch_event_rule.this.event_pattern
    queue_name      = aws_sqs_queue.this.name
    queue_url       = aws_sqs_queue.this.url
  })
}

output "configuration" {
  description = "How the function is set up, as modules/lambda-function says, and how it is woken. Its environment variables are those that the caller gave; QUEUE_URL is the queue's."
  value = merge(module.function.configuration, {
    environment_variables = var.function.environment_variables
    rule_arn              = local.rule_arn
    delivery              = local.delivery
    queue_policy_json     = aws_sqs_queue.this.policy
    maximum_concurrency   = var.maximum_concurrency
  })
}
