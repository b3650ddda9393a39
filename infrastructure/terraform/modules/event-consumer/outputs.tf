output "function" {
  description = "What others need of the function: as modules/lambda-function says, and the rule of the bus that wakes it. Of a schedule, these are null."
  value = merge(module.function.function, {
    event_rule_name = local.scheduled ? null : aws_cloudwatch_event_rule.this.name
    event_pattern   = local.scheduled ? null : aws_cloudwatch_event_rule.this.event_pattern
  })
}

output "configuration" {
  description = "How the function is set up, as modules/lambda-function says, and how it is woken."
  value = merge(module.function.configuration, {
    rule_arn            = local.rule_arn
    schedule_expression = aws_cloudwatch_event_rule.this.schedule_expression
    enabled             = aws_cloudwatch_event_rule.this.state != "DISABLED"
    delivery            = local.delivery
  })
}
