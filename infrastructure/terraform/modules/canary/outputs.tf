output "function" {
  description = "What others need of the function."
  value       = module.consumer.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.consumer.configuration
}

output "settings" {
  description = "How often the canary is onboarded again, and whether that happens by itself."
  value = {
    period_minutes = var.period_minutes
    scheduled      = var.scheduled
  }
}

output "monitoring" {
  description = "What modules/monitoring shows and watches of the service, beside its function and queue."
  value = {
    # It runs too seldom for alarms of its errors: that it is silent is its alarm.
    watch_errors = false
    widgets = [{
      position = 70
      title    = "Canary: got through; how long that took, s"
      metrics = [
        { metric = "CanaryCompleted", label = "completed", statistic = "Sum" },
        { metric = "CanarySeconds", label = "seconds", statistic = "Maximum", axis = "right" },
      ]
    }]
    alarms = {
      # What nothing else tells: a stream that nobody reads (a disabled event source mapping, a permission
      # that was taken away) has no IteratorAge and no error. The canary then does not get through, or is silent.
      canary = {
        description    = "No canary tenant got through: new tenants do not either. See the canary's log group"
        metric         = "CanaryCompleted"
        statistic      = "Sum"
        threshold      = 1
        below          = true
        periods        = 3
        period_minutes = var.period_minutes
        missing        = "breaching"
      }
    }
  }
}
