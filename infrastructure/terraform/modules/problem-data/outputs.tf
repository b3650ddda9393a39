output "function" {
  description = "What others need of the function."
  value       = module.function.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.function.configuration
}

output "route_keys" {
  description = "The routes the function answers."
  value       = local.routes
}
