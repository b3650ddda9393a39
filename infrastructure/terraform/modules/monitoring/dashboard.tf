locals {
  funnel = [
    ["asked for", "provisioning", "TenantOnboardingRequested"],
    ["provisioned", "tenant-provisioner", "TenantProvisioningCompleted"],
    ["completed", "provisioning-completion", "TenantCompleted"],
    ["failed", "provisioning-completion", "TenantFailed"],
    ["refused", "provisioning", "TenantRefused"],
    ["resumed", "reconciler", "TenantResumed"],
    ["given up", "reconciler", "TenantGivenUp"],
  ]

  widgets = [
    {
      title = "Funnel: tenants a minute"
      metrics = [
        for step in local.funnel :
        [local.namespace, step[2], "service", var.function_names[step[1]], { label = step[0], stat = "Sum" }]
      ]
    },
    {
      title = "Oldest tenant in flight, s"
      metrics = [
        [local.namespace, "OldestInFlight", "service", var.function_names["reconciler"], { label = "oldest", stat = "Maximum" }],
      ]
    },
    {
      title = "How long each step takes, ms: median and 95th percentile"
      metrics = concat(
        [for service in local.flow : ["AWS/Lambda", "Duration", "FunctionName", var.function_names[service], { label = "${service} p50", stat = "p50" }]],
        [for service in local.flow : ["AWS/Lambda", "Duration", "FunctionName", var.function_names[service], { label = "${service} p95", stat = "p95" }]],
      )
    },
    {
      title = "How long the stream's records wait, ms"
      metrics = [
        ["AWS/Lambda", "IteratorAge", "FunctionName", var.function_names["provisioning"], { label = "stream", stat = "Maximum" }],
      ]
    },
    {
      title = "Errors and throttles"
      metrics = concat(
        [for service, function in var.function_names : ["AWS/Lambda", "Errors", "FunctionName", function, { label = "${service} errors", stat = "Sum" }]],
        [for service, function in var.function_names : ["AWS/Lambda", "Throttles", "FunctionName", function, { label = "${service} throttles", stat = "Sum" }]],
      )
    },
    {
      title = "Dead letters"
      metrics = [
        for service, queue in var.dead_letter_queue_names :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = service, stat = "Maximum" }]
      ]
    },
    {
      title = "Canary: got through; how long that took, s"
      metrics = [
        [local.namespace, "CanaryCompleted", "service", var.function_names["canary"], { label = "completed", stat = "Sum" }],
        [local.namespace, "CanarySeconds", "service", var.function_names["canary"], { label = "seconds", stat = "Maximum", yAxis = "right" }],
      ]
    },
    {
      title = "Lost beyond the queues"
      metrics = concat([
        for loss in values(local.losses) : [
          for dimensions in loss.dimensions :
          concat([loss.namespace, loss.metric], flatten([for key, value in dimensions : [key, value]]), [{ stat = "Sum" }])
        ]
      ]...)
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.name_prefix}-tenants"
  dashboard_body = jsonencode({
    widgets = [
      for number, widget in local.widgets : {
        type   = "metric"
        x      = 12 * (number % 2)
        y      = 6 * floor(number / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          view    = "timeSeries"
          period  = 60
          metrics = widget.metrics
        }
      }
    ]
  })
}
