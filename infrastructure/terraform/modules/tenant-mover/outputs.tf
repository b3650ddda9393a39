output "function" {
  description = "What others need of the function."
  value       = module.consumer.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.consumer.configuration
}

output "settings" {
  description = "How large an object may be until it is copied in parts."
  value       = { multipart_threshold_bytes = var.multipart_threshold_bytes }
}
