provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name_prefix = "tenkacloud-dev"
  function_names = {
    provisioning            = "tenkacloud-dev-provisioning"
    tenant-provisioner      = "tenkacloud-dev-tenant-provisioner"
    provisioning-completion = "tenkacloud-dev-provisioning-completion"
    reconciler              = "tenkacloud-dev-reconciler"
    canary                  = "tenkacloud-dev-canary"
  }
  dead_letter_queue_names = {
    provisioning       = "tenkacloud-dev-provisioning-dlq"
    tenant-provisioner = "tenkacloud-dev-tenant-provisioner-dlq"
  }
  event_rule_names      = ["tenkacloud-dev-tenant-onboarding", "tenkacloud-dev-tenant-provisioned"]
  event_bus_name        = "tenkacloud-dev-tenant-events"
  canary_period_minutes = 15
  stuck_after_seconds   = 900
  region                = "ap-northeast-1"
}

run "alarms_and_dashboard" {
  command = plan

  variables {
    alarm_topic_arns = ["arn:aws:sns:ap-northeast-1:123456789012:on-call"]
  }

  assert {
    condition = toset(output.alarm_names) == toset(concat(
      [for service in ["provisioning", "tenant-provisioner"] : "tenkacloud-dev-${service}-dead-letters"],
      [for service in ["provisioning", "tenant-provisioner", "provisioning-completion", "reconciler"] : "tenkacloud-dev-${service}-errors"],
      [for service in ["provisioning", "tenant-provisioner", "provisioning-completion", "reconciler"] : "tenkacloud-dev-${service}-throttles"],
      [for name in ["destination-delivery-failures", "async-events-dropped", "rule-dead-letter-failures"] : "tenkacloud-dev-${name}"],
      [for name in ["stream-age", "oldest-in-flight", "failures", "refusals", "given-up", "reconciler-silent", "canary"] : "tenkacloud-dev-${name}"],
    ))
    error_message = "There must be an alarm for each thing that can go wrong."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["provisioning-dead-letters"].namespace == "AWS/SQS"
      && aws_cloudwatch_metric_alarm.this["provisioning-dead-letters"].metric_name == "ApproximateNumberOfMessagesVisible"
      && aws_cloudwatch_metric_alarm.this["provisioning-dead-letters"].dimensions == tomap({ QueueName = "tenkacloud-dev-provisioning-dlq" })
      && aws_cloudwatch_metric_alarm.this["provisioning-dead-letters"].threshold == 0
      && aws_cloudwatch_metric_alarm.this["provisioning-dead-letters"].comparison_operator == "GreaterThanThreshold"
    )
    error_message = "The first letter in a queue must raise the alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["oldest-in-flight"].namespace == "TenkaCloud/Tenants"
      && aws_cloudwatch_metric_alarm.this["oldest-in-flight"].metric_name == "OldestInFlight"
      && aws_cloudwatch_metric_alarm.this["oldest-in-flight"].dimensions == tomap({ service = "tenkacloud-dev-reconciler" })
      && aws_cloudwatch_metric_alarm.this["oldest-in-flight"].threshold == 1800
    )
    error_message = "A tenant that the reconciler does not get on with must raise the alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["stream-age"].metric_name == "IteratorAge"
      && aws_cloudwatch_metric_alarm.this["stream-age"].threshold == 300000
      && aws_cloudwatch_metric_alarm.this["failures"].metric_name == "TenantFailed"
      && aws_cloudwatch_metric_alarm.this["failures"].period == 60
      && aws_cloudwatch_metric_alarm.this["reconciler-errors"].metric_name == "Errors"
      && aws_cloudwatch_metric_alarm.this["provisioning-throttles"].metric_name == "Throttles"
    )
    error_message = "Age of the stream, failures, errors and throttles must be watched."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.reconciler_silent.treat_missing_data == "breaching"
      && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.treat_missing_data == "notBreaching"])
      && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : toset(alarm.alarm_actions) == toset(var.alarm_topic_arns)])
    )
    error_message = "Silence must be an alarm of the reconciler's and the canary's only, and each alarm must tell the topics."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.canary.namespace == "TenkaCloud/Tenants"
      && aws_cloudwatch_metric_alarm.canary.metric_name == "CanaryCompleted"
      && aws_cloudwatch_metric_alarm.canary.dimensions == tomap({ service = "tenkacloud-dev-canary" })
      && aws_cloudwatch_metric_alarm.canary.statistic == "Sum"
      && aws_cloudwatch_metric_alarm.canary.comparison_operator == "LessThanThreshold"
      && aws_cloudwatch_metric_alarm.canary.threshold == 1
      && aws_cloudwatch_metric_alarm.canary.period == 900
      && aws_cloudwatch_metric_alarm.canary.evaluation_periods == 3
      && aws_cloudwatch_metric_alarm.canary.treat_missing_data == "breaching"
      && toset(aws_cloudwatch_metric_alarm.canary.alarm_actions) == toset(var.alarm_topic_arns)
    )
    error_message = "Three periods in which no canary got through, or none was looked at, must raise the alarm."
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.loss : name => toset(flatten([
        for query in alarm.metric_query : [for metric in query.metric : [merge({ metric = "${metric.namespace}/${metric.metric_name}/${metric.stat}" }, metric.dimensions)]]
      ]))
      } == {
      destination-delivery-failures = toset([
        for service in ["provisioning", "tenant-provisioner"] :
        { metric = "AWS/Lambda/DestinationDeliveryFailures/Sum", FunctionName = "tenkacloud-dev-${service}" }
      ])
      async-events-dropped = toset([
        for service in ["provisioning", "tenant-provisioner"] :
        { metric = "AWS/Lambda/AsyncEventsDropped/Sum", FunctionName = "tenkacloud-dev-${service}" }
      ])
      rule-dead-letter-failures = toset([
        for rule in ["tenant-onboarding", "tenant-provisioned"] :
        { metric = "AWS/Events/InvocationsFailedToBeSentToDlq/Sum", EventBusName = "tenkacloud-dev-tenant-events", RuleName = "tenkacloud-dev-${rule}" }
      ])
    }
    error_message = "What is lost beyond the queues must be counted for each function that has one, and for each rule."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.loss :
      one([for query in alarm.metric_query : query.expression if query.return_data == true]) == "SUM(FILL(METRICS(), 0))"
      && alarm.threshold == 0
      && alarm.comparison_operator == "GreaterThanThreshold"
      && alarm.datapoints_to_alarm == 1
      && toset(alarm.alarm_actions) == toset(var.alarm_topic_arns)
    ])
    error_message = "The first that is lost must raise the alarm."
  }

  assert {
    condition = (
      output.dashboard_name == "tenkacloud-dev-tenants"
      && length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 8
      && [for metric in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.metrics : metric[1]] == [
        "TenantOnboardingRequested", "TenantProvisioningCompleted", "TenantCompleted", "TenantFailed",
        "TenantRefused", "TenantResumed", "TenantGivenUp",
      ]
    )
    error_message = "The dashboard must show the funnel, its latencies, and what goes wrong."
  }
}
