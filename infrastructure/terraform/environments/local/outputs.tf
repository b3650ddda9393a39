# The same in every root: tests hold them against each other.

output "table_name" { value = module.stack.table_name }
output "event_bus_name" { value = module.stack.event_bus_name }
output "event_bus_arn" { value = module.stack.event_bus_arn }
output "data_bucket_name" { value = module.stack.data_bucket_name }
output "tenant_access_role_arn" { value = module.stack.tenant_access_role_arn }
output "lambda_function_names" { value = module.stack.lambda_function_names }
output "dead_letter_queue_urls" { value = module.stack.dead_letter_queue_urls }

# What each of these is, modules/stack/outputs.tf says.
output "deployment" {
  description = "All else that operators' tools read."
  value       = local.deployment
}
