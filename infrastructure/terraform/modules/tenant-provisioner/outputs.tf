output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = module.function.function_arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.function.role_name
}

output "dead_letter_queue_url" {
  description = "URL of the queue that holds what failed for good."
  value       = module.function.dead_letter_queue_url
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.function.log_group_name
}

output "event_pattern" {
  description = "The pattern, in JSON, of the events that wake the function."
  value       = aws_cloudwatch_event_rule.tenant_onboarding.event_pattern
}

output "event_rule_name" {
  description = "Name of the rule that wakes the function."
  value       = aws_cloudwatch_event_rule.tenant_onboarding.name
}
