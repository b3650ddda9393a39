locals {
  # What the functions write of themselves (Powertools: the dimension is the function's name).
  namespace = "TenkaCloud/Tenants"

  # The dimension that names a function, in the namespaces that services may take metrics from.
  function_dimension = { (local.namespace) = "service", "AWS/Lambda" = "FunctionName" }

  functions = { for service, each in var.services : service => each.function.name }
  watched   = { for service, each in var.services : service => each.function.name if each.monitoring.watch_errors }

  # The functions that keep what they fail on. Those that work through a queue are invoked by it and told
  # whether they failed; the others asynchronously, or by the stream.
  queues = { for service, each in var.services : service => each.function.dead_letter_queue_name if each.function.dead_letter_queue_name != null }
  work   = { for service, each in var.services : service => each.function.queue_name if each.function.queue_name != null }
  keep   = setsubtract(keys(local.queues), keys(local.work))
  rules  = sort(compact([for each in var.services : each.function.event_rule_name]))

  # What is lost beyond the dead-letter queues. One alarm each, since any one is the same emergency: the
  # alarm's graph has a line for each function or rule. CloudWatch bills the lines, not the alarms.
  # DeadLetterErrors is not among them: it is about a function's dead_letter_config, and none has one.
  losses = {
    destination-delivery-failures = {
      description = "Lambda could not put what failed into a dead letter queue: it is lost"
      namespace   = "AWS/Lambda"
      metric      = "DestinationDeliveryFailures"
      dimensions  = [for service in local.keep : { FunctionName = local.functions[service] }]
    }
    async-events-dropped = {
      description = "Lambda dropped events that a function did not handle: make dead-letters, else make replay"
      namespace   = "AWS/Lambda"
      metric      = "AsyncEventsDropped"
      dimensions  = [for service in local.keep : { FunctionName = local.functions[service] }]
    }
    rule-dead-letter-failures = {
      description = "EventBridge could not put what it could not deliver into a dead letter queue: make replay"
      namespace   = "AWS/Events"
      metric      = "InvocationsFailedToBeSentToDlq"
      dimensions  = [for rule in local.rules : { EventBusName = var.context.event_bus_name, RuleName = rule }]
    }
  }

  # Of every service that has a queue or a function to watch; declared as a service's module declares its own.
  common_alarms = merge(
    {
      for service, queue in local.queues : "${service}-dead-letters" => {
        description = "Something lies in ${queue}: make dead-letters, then make redrive"
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = queue }
        statistic   = "Maximum"
        periods     = 1
      }
    },
    {
      for service, queue in local.work : "${service}-queue-age" => {
        description = "A message has been in ${queue} for an hour: the function fails on it, or does not get to it"
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        dimensions  = { QueueName = queue }
        statistic   = "Maximum"
        periods     = 1
        threshold   = 60 * 60
      }
    },
    {
      for service, function in local.watched : "${service}-errors" => {
        description = "${function} fails: see its log group"
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = function }
        statistic   = "Sum"
        periods     = 3
      }
    },
    {
      for service, function in local.watched : "${service}-throttles" => {
        description = "${function} is throttled: the account's concurrency is used up"
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        dimensions  = { FunctionName = function }
        statistic   = "Sum"
        periods     = 3
      }
    },
  )

  # Runbook: docs/operations.md has a page for each, under the same name.
  alarms = merge(
    { for name, alarm in local.common_alarms : name => merge({ threshold = 0, below = false, period_minutes = 1, missing = "notBreaching" }, alarm) },
    [
      for service in var.services : {
        for name, alarm in service.monitoring.alarms : name => merge(alarm, {
          threshold  = coalesce(alarm.threshold, var.failures_per_minute)
          dimensions = { (local.function_dimension[alarm.namespace]) = service.function.name }
        })
      }
    ]...
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.context.name_prefix}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60 * each.value.period_minutes
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.below ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  treat_missing_data  = each.value.missing
}

# Nothing lost, no metric: FILL makes it 0.
resource "aws_cloudwatch_metric_alarm" "loss" {
  for_each = local.losses

  alarm_name          = "${var.context.name_prefix}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  treat_missing_data  = "notBreaching"

  # Looked at for some minutes, since such counts may come late.
  evaluation_periods  = 5
  datapoints_to_alarm = 1

  metric_query {
    id          = "total"
    expression  = "SUM(FILL(METRICS(), 0))"
    label       = each.key
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.dimensions

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = each.value.namespace
        metric_name = each.value.metric
        dimensions  = metric_query.value
        period      = 60
        stat        = "Sum"
      }
    }
  }
}
