output "ensure_policy_json" {
  description = "What makes tenants' resources."
  value       = data.aws_iam_policy_document.this["ensure"].json
}

output "offboard_policy_json" {
  description = "What removes tenants' resources, and looks for what remains."
  value       = data.aws_iam_policy_document.this["offboard"].json
}

output "move_policy_json" {
  description = "What makes tenants' resources in one place and removes them in another."
  value       = data.aws_iam_policy_document.this["move"].json
}
