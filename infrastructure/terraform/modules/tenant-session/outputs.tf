output "assume_role_policy_json" {
  description = "Who may start a session of one tenant, and how."
  value       = data.aws_iam_policy_document.assume_role.json

  precondition {
    condition     = length(data.aws_iam_policy_document.assume_role.minified_json) <= 2048
    error_message = "The trust policy has more than the 2,048 characters that AWS takes: trust fewer roles, or shorter names."
  }
}

output "denials_json" {
  description = "What no session of one tenant may do, whatever else is ever attached to its role."
  value       = data.aws_iam_policy_document.denials.json
}
