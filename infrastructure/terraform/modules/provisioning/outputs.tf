output "function" {
  description = "What others need of the function."
  value       = module.function.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.function.configuration
}

output "stream_filter_patterns" {
  description = "The patterns, in JSON, of the stream records that wake the function."
  value       = local.stream_filter_patterns
}

output "monitoring" {
  description = "What modules/monitoring shows and watches of the service, beside its function and queue."
  value = {
    flow_step = 1
    funnel = [
      { position = 10, label = "requested", metric = "TenantOnboardingRequested" },
      { position = 50, label = "rejected", metric = "TenantRejected" },
    ]
    widgets = [{
      position = 40
      title    = "How long the stream's records wait, ms"
      metrics  = [{ namespace = "AWS/Lambda", metric = "IteratorAge", label = "stream", statistic = "Maximum" }]
    }]
    alarms = {
      # The stream forgets after 24 hours.
      stream-age = {
        description = "The tenant table's stream is behind: something blocks it, or the function fails"
        namespace   = "AWS/Lambda"
        metric      = "IteratorAge"
        statistic   = "Maximum"
        threshold   = 5 * 60 * 1000
        periods     = 3
      }
      overwrites = {
        description = "Somebody put a record over one that is being offboarded, is deleted or has an operation: it was put back"
        metric      = "OverwriteUndone"
        statistic   = "Sum"
        threshold   = 0
        periods     = 1
      }
      refusals = {
        description = "Records of tenants break a rule: make tenants STATUS=FAILED says which"
        metric      = "TenantRejected"
        statistic   = "Sum"
        threshold   = null # failures_per_minute
        periods     = 1
      }
    }
  }
}
