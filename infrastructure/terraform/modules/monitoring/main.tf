locals {
  # What the functions write of themselves (Powertools: the dimension is the function's name).
  namespace = "TenkaCloud/Tenants"
  flow      = ["provisioning", "tenant-provisioner", "provisioning-completion"]

  # The canary runs too seldom for an alarm of its errors: that it is silent is its alarm.
  watched = { for service, function in var.function_names : service => function if service != "canary" }

  # The functions that are invoked asynchronously, or by the stream, and keep what they fail on.
  queued = { for service in sort(keys(var.dead_letter_queue_names)) : service => var.function_names[service] }

  # What is lost beyond the dead letter queues. One alarm each, since any one is the same emergency: the
  # alarm's graph has a line for each function or rule. CloudWatch bills the lines, not the alarms.
  # DeadLetterErrors is not among them: it is about a function's dead_letter_config, and none has one.
  losses = {
    destination-delivery-failures = {
      description = "Lambda could not put what failed into a dead letter queue: it is lost"
      namespace   = "AWS/Lambda"
      metric      = "DestinationDeliveryFailures"
      dimensions  = [for service, function in local.queued : { FunctionName = function }]
    }
    async-events-dropped = {
      description = "Lambda dropped events that a function did not handle: make letters, else make replay"
      namespace   = "AWS/Lambda"
      metric      = "AsyncEventsDropped"
      dimensions  = [for service, function in local.queued : { FunctionName = function }]
    }
    rule-dead-letter-failures = {
      description = "EventBridge could not put what it could not deliver into a dead letter queue: make replay"
      namespace   = "AWS/Events"
      metric      = "InvocationsFailedToBeSentToDlq"
      dimensions  = [for rule in var.event_rule_names : { EventBusName = var.event_bus_name, RuleName = rule }]
    }
  }

  # Runbook: docs/operations.md has a page for each, under the same name.
  alarms = merge(
    {
      for service, queue in var.dead_letter_queue_names : "${service}-dead-letters" => {
        description = "Something lies in ${queue}: make letters, then make redrive"
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = queue }
        statistic   = "Maximum"
        threshold   = 0
        periods     = 1
      }
    },
    {
      for service, function in local.watched : "${service}-errors" => {
        description = "${function} fails: see its log group"
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = function }
        statistic   = "Sum"
        threshold   = 0
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
        threshold   = 0
        periods     = 3
      }
    },
    {
      # The stream forgets after 24 hours.
      stream-age = {
        description = "The tenant table's stream is behind: something blocks it, or the function fails"
        namespace   = "AWS/Lambda"
        metric      = "IteratorAge"
        dimensions  = { FunctionName = var.function_names["provisioning"] }
        statistic   = "Maximum"
        threshold   = 5 * 60 * 1000
        periods     = 3
      }
      # Older than the reconciler lets an attempt become, so it does not get on with it.
      oldest-in-flight = {
        description = "A tenant is in flight for long: make tenants STUCK=1"
        namespace   = local.namespace
        metric      = "OldestInFlight"
        dimensions  = { service = var.function_names["reconciler"] }
        statistic   = "Maximum"
        threshold   = 2 * var.stuck_after_seconds
        periods     = 3
      }
      failures = {
        description = "Tenants fail: make tenants STATUS=FAILED says why"
        namespace   = local.namespace
        metric      = "TenantFailed"
        dimensions  = { service = var.function_names["provisioning-completion"] }
        statistic   = "Sum"
        threshold   = var.failures_per_minute
        periods     = 1
      }
      refusals = {
        description = "Records of tenants break a rule: make tenants STATUS=FAILED says which"
        namespace   = local.namespace
        metric      = "TenantRefused"
        dimensions  = { service = var.function_names["provisioning"] }
        statistic   = "Sum"
        threshold   = var.failures_per_minute
        periods     = 1
      }
      given-up = {
        description = "Tenants got no result, attempt after attempt: make tenants STATUS=FAILED"
        namespace   = local.namespace
        metric      = "TenantGivenUp"
        dimensions  = { service = var.function_names["reconciler"] }
        statistic   = "Sum"
        threshold   = 0
        periods     = 1
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name_prefix}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  evaluation_periods  = each.value.periods
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns

  # No tenants, no metric: that is no alarm.
  treat_missing_data = "notBreaching"
}

# Nothing to say is an alarm here: without the reconciler, nobody resumes the stuck.
resource "aws_cloudwatch_metric_alarm" "reconciler_silent" {
  alarm_name          = "${var.name_prefix}-reconciler-silent"
  alarm_description   = "The reconciler has not run for five minutes: see its rule and its log group"
  namespace           = local.namespace
  metric_name         = "OldestInFlight"
  dimensions          = { service = var.function_names["reconciler"] }
  statistic           = "SampleCount"
  period              = 60
  evaluation_periods  = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  treat_missing_data  = "breaching"
}

# Nothing lost, no metric: FILL makes it 0.
resource "aws_cloudwatch_metric_alarm" "loss" {
  for_each = local.losses

  alarm_name          = "${var.name_prefix}-${each.key}"
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

# What nothing else tells: a stream that nobody reads (a disabled event source mapping, a permission that
# was taken away) has no IteratorAge and no error. The canary then does not get through, or is silent.
resource "aws_cloudwatch_metric_alarm" "canary" {
  alarm_name          = "${var.name_prefix}-canary"
  alarm_description   = "No canary tenant got through: new tenants do not either. See the canary's log group"
  namespace           = local.namespace
  metric_name         = "CanaryCompleted"
  dimensions          = { service = var.function_names["canary"] }
  statistic           = "Sum"
  period              = 60 * var.canary_period_minutes
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
  treat_missing_data  = "breaching"
}
