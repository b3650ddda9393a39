output "function" {
  description = "What others need of the function."
  value       = module.consumer.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.consumer.configuration
}
