output "function" {
  description = "What others need of the function."
  value       = module.consumer.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.consumer.configuration
}

output "monitoring" {
  description = "What modules/monitoring shows and watches of the service, beside its function and queue."
  value = {
    flow_step = 2
    funnel    = [{ position = 20, label = "provisioned", metric = "TenantProvisioningCompleted" }]
  }
}
