# ARNs are built from the resources' names: they are known in the plan, and using one still waits
# for its resource.

output "function_arn" {
  description = "ARN of the function."
  value       = "arn:${var.partition}:lambda:${var.region}:${var.account_id}:function:${aws_lambda_function.this.function_name}"
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = "arn:${var.partition}:iam::${var.account_id}:role${aws_iam_role.this.path}${aws_iam_role.this.name}"
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue that holds what failed for good; null for a synchronous function."
  value       = one([for queue in aws_sqs_queue.dead_letter : "arn:${var.partition}:sqs:${var.region}:${var.account_id}:${queue.name}"])
}

output "dead_letter_queue_url" {
  description = "URL of the queue that holds what failed for good; null for a synchronous function."
  value       = one(aws_sqs_queue.dead_letter[*].url)
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "policy_json" {
  description = "The whole policy of the function's role."
  value       = data.aws_iam_policy_document.this.json
}

output "environment_variables" {
  description = "The function's environment variables, as the caller gave them."
  value       = var.environment_variables
}

output "reserved_concurrent_executions" {
  description = "How many invocations may run at a time; -1 if the account's limit alone counts."
  value       = aws_lambda_function.this.reserved_concurrent_executions
}

output "role_path" {
  description = "Path of the function's role."
  value       = aws_iam_role.this.path
}

output "handler" {
  description = "Entry point of the function."
  value       = aws_lambda_function.this.handler
}

output "dead_letter_queue_policy_json" {
  description = "Policy of the dead letter queue; null without one."
  value       = one(aws_sqs_queue.dead_letter[*].policy)
}
