locals {
  # HCL sorts texts only, so positions become texts of one length.
  by_position = "%06d %s"

  funnel_steps = merge([
    for service in var.services : {
      for step in service.monitoring.funnel : format(local.by_position, step.position, step.metric) =>
      [local.namespace, step.metric, "service", service.function.name, { label = step.label, stat = "Sum" }]
    }
  ]...)

  flow = values({
    for service, each in var.services : format(local.by_position, each.monitoring.flow_step, service) => service
    if each.monitoring.flow_step != null
  })

  common_widgets = [
    {
      position = 10
      title    = "Funnel: tenants a minute"
      metrics  = values(local.funnel_steps)
    },
    {
      position = 30
      title    = "How long each step takes, ms: median and 95th percentile"
      metrics = concat(
        [for service in local.flow : ["AWS/Lambda", "Duration", "FunctionName", local.functions[service], { label = "${service} p50", stat = "p50" }]],
        [for service in local.flow : ["AWS/Lambda", "Duration", "FunctionName", local.functions[service], { label = "${service} p95", stat = "p95" }]],
      )
    },
    {
      position = 50
      title    = "Errors and throttles"
      metrics = concat(
        [for service, function in local.functions : ["AWS/Lambda", "Errors", "FunctionName", function, { label = "${service} errors", stat = "Sum" }]],
        [for service, function in local.functions : ["AWS/Lambda", "Throttles", "FunctionName", function, { label = "${service} throttles", stat = "Sum" }]],
      )
    },
    {
      position = 55
      title    = "How long the oldest message has been in a queue, s"
      metrics = [
        for service, queue in local.work :
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue, { label = service, stat = "Maximum" }]
      ]
    },
    {
      position = 60
      title    = "Dead letters"
      metrics = [
        for service, queue in local.queues :
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = service, stat = "Maximum" }]
      ]
    },
    {
      position = 80
      title    = "Lost beyond the queues"
      metrics = concat([
        for loss in values(local.losses) : [
          for dimensions in loss.dimensions :
          concat([loss.namespace, loss.metric], flatten([for key, value in dimensions : [key, value]]), [{ stat = "Sum" }])
        ]
      ]...)
    },
  ]

  own_widgets = flatten([
    for service in var.services : [
      for widget in service.monitoring.widgets : {
        position = widget.position
        title    = widget.title
        metrics = [
          for each in widget.metrics : [
            each.namespace, each.metric, local.function_dimension[each.namespace], service.function.name,
            # On the left where nothing is said.
            { for key, value in { label = each.label, stat = each.statistic, yAxis = each.axis } : key => value if value != "left" },
          ]
        ]
      }
    ]
  ])

  widgets = values(merge([
    # A chart without a metric is none.
    for widget in concat(local.common_widgets, local.own_widgets) : length(widget.metrics) == 0 ? {} : { (format(local.by_position, widget.position, widget.title)) = widget }
  ]...))
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.context.name_prefix}-tenants"
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
          region  = var.context.region
          view    = "timeSeries"
          period  = 60
          metrics = widget.metrics
        }
      }
    ]
  })
}
