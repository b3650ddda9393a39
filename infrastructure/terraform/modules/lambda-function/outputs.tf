# ARNs are built from the resources' names: they are known in the plan, and using one still waits
# for its resource.

output "function" {
  description = "What others need of the function. Without a dead-letter queue, the queue's attributes are null."
  value = {
    name                   = aws_lambda_function.this.function_name
    arn                    = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account_id}:function:${aws_lambda_function.this.function_name}"
    role_name              = aws_iam_role.this.name
    log_group_name         = aws_cloudwatch_log_group.this.name
    dead_letter_queue_name = one(aws_sqs_queue.dead_letter[*].name)
    dead_letter_queue_url  = one(aws_sqs_queue.dead_letter[*].url)
    dead_letter_queue_arn  = one([for queue in aws_sqs_queue.dead_letter : "arn:${var.context.partition}:sqs:${var.context.region}:${var.context.account_id}:${queue.name}"])
  }
}

output "configuration" {
  description = "How the function is set up. Its environment variables are those that the caller gave."
  value = {
    handler                        = aws_lambda_function.this.handler
    timeout                        = aws_lambda_function.this.timeout
    memory_size                    = aws_lambda_function.this.memory_size
    environment_variables          = var.environment_variables
    reserved_concurrent_executions = aws_lambda_function.this.reserved_concurrent_executions
    role_path                      = aws_iam_role.this.path
    policy_json                    = data.aws_iam_policy_document.this.json
    dead_letter_queue_policy_json  = one(aws_sqs_queue.dead_letter[*].policy)
  }
}

output "dead_letter_queue" {
  description = "The queue alone, for what the function itself needs: its other outputs wait for the function."
  value       = one([for queue in aws_sqs_queue.dead_letter : { name = queue.name, arn = "arn:${var.context.partition}:sqs:${var.context.region}:${var.context.account_id}:${queue.name}" }])
}
