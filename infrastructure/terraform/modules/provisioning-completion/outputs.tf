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
    flow_step = 3
    funnel = [
      { position = 30, label = "completed", metric = "TenantCompleted" },
      { position = 40, label = "failed", metric = "TenantFailed" },
    ]
    alarms = {
      failures = {
        description = "Tenants fail: make tenants STATUS=FAILED says why"
        metric      = "TenantFailed"
        statistic   = "Sum"
        threshold   = null # failures_per_minute
        periods     = 1
      }
    }
  }
}
