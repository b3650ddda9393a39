output "function_name" {
  description = "Name of the function."
  value       = module.function.function_name
}

output "role_name" {
  description = "Name of the function's role."
  value       = module.function.role_name
}

output "dead_letter_queue_url" {
  description = "Null: the function is invoked synchronously."
  value       = module.function.dead_letter_queue_url
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.function.log_group_name
}

output "route_keys" {
  description = "The routes the function answers."
  value       = local.routes
}
