output "role_arn" {
  description = "ARN of the role."
  value       = "arn:${var.context.partition}:iam::${var.context.account_id}:role/${aws_iam_role.this.name}"
}
