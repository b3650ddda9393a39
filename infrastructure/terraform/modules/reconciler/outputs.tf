output "function" {
  description = "What others need of the function."
  value       = module.consumer.function
}

output "configuration" {
  description = "How the function is set up."
  value       = module.consumer.configuration
}

output "settings" {
  description = "By what it takes a tenant for stuck, how often it tries again, and how often it runs."
  value       = local.settings
}

output "monitoring" {
  description = "What modules/monitoring shows and watches of the service, beside its function and queue."
  value = {
    funnel = [
      { position = 60, label = "retried", metric = "TenantRetried" },
      { position = 70, label = "failed after retries", metric = "TenantFailedAfterRetries" },
    ]
    widgets = [
      {
        position = 20
        title    = "Oldest tenant in flight, s"
        metrics  = [{ metric = "OldestInFlight", label = "oldest", statistic = "Maximum" }]
      },
      {
        position = 26
        title    = "What was due: begun, and left"
        metrics = [
          { metric = "DueBegun", label = "begun", statistic = "Sum" },
          { metric = "DueLeft", label = "left", statistic = "Maximum" },
        ]
      },
    ]
    alarms = local.alarms
  }
}
