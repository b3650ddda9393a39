output "name" {
  description = "Name of the bucket."
  value       = module.bucket.name
}

output "policy_json" {
  description = "Policy of the bucket."
  value       = module.bucket.policy_json
}

output "force_destroy" {
  description = "Whether the bucket goes with the exports in it."
  value       = module.bucket.force_destroy
}
