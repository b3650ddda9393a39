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
    widgets = [{
      position = 24
      title    = "Phases of operations"
      metrics = [
        { metric = "PhaseCompleted", label = "completed", statistic = "Sum" },
        { metric = "PhaseFailed", label = "failed", statistic = "Sum" },
        { metric = "OperationProgressed", label = "signs of life", statistic = "Sum", axis = "right" },
      ]
    }]
    alarms = {
      # Each waits for an operator; a tenant may be read-only, or kept longer than it wants.
      operation-failures = {
        description = "A phase of an operation FAILED: make tenants STATUS=FAILED says why"
        metric      = "PhaseFailed"
        statistic   = "Sum"
        threshold   = 0
        periods     = 1
      }
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
