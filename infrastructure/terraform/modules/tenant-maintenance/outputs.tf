output "role_arn" {
  description = "ARN of the role."
  value       = "arn:${var.context.partition}:iam::${var.context.account_id}:role/${aws_iam_role.this.name}"
}

output "role_name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

output "policy_json" {
  description = "What a session for one tenant's maintenance may do."
  value       = data.aws_iam_policy_document.this.json
}

output "assume_role_policy_json" {
  description = "Who may start a session for one tenant's maintenance, and how."
  value       = module.session.assume_role_policy_json
}
