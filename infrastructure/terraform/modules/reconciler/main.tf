locals {
  # What operators' tools go by, too.
  settings = {
    stuck_after_seconds   = var.stuck_after_seconds
    automatic_retries_max = var.automatic_retries_max
    period_minutes        = var.period_minutes
  }

  alarms = {
    # Older than the reconciler lets an attempt become, so it does not get on with it.
    oldest-in-flight = {
      description    = "A tenant is in flight for long: make tenants STUCK=1"
      metric         = "OldestInFlight"
      statistic      = "Maximum"
      threshold      = 2 * var.stuck_after_seconds
      periods        = 3
      period_minutes = var.period_minutes
    }
    given-up = {
      description = "Tenants got no result, attempt after attempt: make tenants STATUS=FAILED"
      metric      = "TenantFailedAfterRetries"
      statistic   = "Sum"
      threshold   = 0
      periods     = 1
    }
    # Left in a sweep is what could not be written, and the old place of a tenant that is not COMPLETED.
    overdue = {
      description    = "Something is due and is not begun: a retention that is over, a second verification, a place that was left"
      metric         = "DueLeft"
      statistic      = "Minimum"
      threshold      = 0
      periods        = 1
      period_minutes = max(60, var.period_minutes)
    }
    # Nothing to say is an alarm here: without the reconciler, nobody resumes the stuck.
    reconciler-silent = {
      description    = "The reconciler has not run for ${var.period_minutes == 1 ? "five" : 5 * var.period_minutes} minutes: see its rule and its log group"
      metric         = "OldestInFlight"
      statistic      = "SampleCount"
      threshold      = 1
      below          = true
      periods        = 5
      period_minutes = var.period_minutes
      missing        = "breaching"
    }
  }

  table_arn     = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  event_bus_arn = "arn:${var.context.partition}:events:${var.context.region}:${var.context.account_id}:event-bus/${var.context.event_bus_name}"
}

data "aws_iam_policy_document" "this" {
  # The sparse indexes and nothing else: the table can't be listed with this.
  statement {
    sid       = "FindStuckTenants"
    actions   = ["dynamodb:Query"]
    resources = ["${local.table_arn}/index/due", "${local.table_arn}/index/in-flight"]
  }

  statement {
    sid       = "ReadTenants"
    actions   = ["dynamodb:BatchGetItem"]
    resources = [local.table_arn]
  }

  statement {
    sid       = "MarkTenant"
    actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = [local.table_arn]
  }

  # On AWS both keys are always there; IfExists only serves engines that do not fill them.
  statement {
    sid       = "RequestOnboarding"
    actions   = ["events:PutEvents"]
    resources = [local.event_bus_arn]

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:source"
      values   = ["tenkacloud.control-plane"]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "events:detail-type"
      values   = ["TenantOnboarding"]
    }
  }
}

module "consumer" {
  source = "../event-consumer"

  context = var.context

  schedule = {
    description    = "Looks for tenants that are stuck"
    period_minutes = var.period_minutes
  }

  function = {
    service     = "reconciler"
    plane       = "control"
    description = "Resumes tenants that are stuck in flight, and repairs those it is asked to"
    policy_json = data.aws_iam_policy_document.this.json
    timeout     = 300

    # One sweep at a time: two would resume the same tenants, and use up their attempts. A scheduled run
    # that meets another is put off for a minute, then dropped.
    reserved_concurrent_executions = var.reserved_concurrent_executions

    environment_variables = {
      TABLE_NAME            = var.context.table_name
      EVENT_BUS_NAME        = var.context.event_bus_name
      STUCK_AFTER_SECONDS   = tostring(var.stuck_after_seconds)
      AUTOMATIC_RETRIES_MAX = tostring(var.automatic_retries_max)
      EXPORT_RETENTION_DAYS = tostring(var.export_retention_days)
    }
  }
}
