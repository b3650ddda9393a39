provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

# Services that stand for all: one that an event wakes and that has charts and alarms of its own, one with a
# dead-letter queue and no rule, one without, one that says nothing of itself, and one that works through a
# queue.
variables {
  context = {
    name_prefix    = "tenkacloud-dev"
    region         = "ap-northeast-1"
    event_bus_name = "tenkacloud-dev-tenant-events"
  }
  services = {
    a-consumer = {
      function = { name = "tenkacloud-dev-a-consumer", dead_letter_queue_name = "tenkacloud-dev-a-consumer-dlq", event_rule_name = "tenkacloud-dev-an-event" }
      monitoring = {
        flow_step = 2
        funnel    = [{ position = 2, label = "done", metric = "Done" }, { position = 10, label = "failed", metric = "Failed" }]
        widgets = [{
          position = 20
          title    = "Of its own"
          metrics = [
            { metric = "Oldest", label = "oldest", statistic = "Maximum" },
            { namespace = "AWS/Lambda", metric = "IteratorAge", label = "age", statistic = "p95", axis = "right" },
          ]
        }]
        alarms = {
          failures = { description = "It fails", metric = "Failed", statistic = "Sum", threshold = null, periods = 1 }
          age      = { description = "It is late", namespace = "AWS/Lambda", metric = "IteratorAge", statistic = "Maximum", threshold = 300000, periods = 3 }
        }
      }
    }
    b-stream = {
      function   = { name = "tenkacloud-dev-b-stream", dead_letter_queue_name = "tenkacloud-dev-b-stream-dlq" }
      monitoring = { flow_step = 1, funnel = [{ position = 1, label = "begun", metric = "Begun" }] }
    }
    c-schedule = {
      function = { name = "tenkacloud-dev-c-schedule" }
      monitoring = {
        watch_errors = false
        alarms = {
          c-silent = { description = "It is silent", metric = "Done", statistic = "SampleCount", threshold = 1, below = true, periods = 3, period_minutes = 15, missing = "breaching" }
        }
      }
    }
    d-api = {
      function = { name = "tenkacloud-dev-d-api" }
    }
    e-queue = {
      function = {
        name                   = "tenkacloud-dev-e-queue"
        dead_letter_queue_name = "tenkacloud-dev-e-queue-dlq"
        event_rule_name        = "tenkacloud-dev-e-queue"
        queue_name             = "tenkacloud-dev-e-queue-queue"
      }
    }
  }
}

run "alarms_and_dashboard" {
  command = plan

  module {
    source = "../modules/monitoring"
  }

  variables {
    alarm_topic_arns = ["arn:aws:sns:ap-northeast-1:123456789012:on-call"]
  }

  assert {
    condition = toset(output.alarm_names) == toset(concat(
      [for service in ["a-consumer", "b-stream", "e-queue"] : "tenkacloud-dev-${service}-dead-letters"],
      ["tenkacloud-dev-e-queue-queue-age"],
      [for service in ["a-consumer", "b-stream", "d-api", "e-queue"] : "tenkacloud-dev-${service}-errors"],
      [for service in ["a-consumer", "b-stream", "d-api", "e-queue"] : "tenkacloud-dev-${service}-throttles"],
      [for name in ["destination-delivery-failures", "async-events-dropped", "rule-dead-letter-failures"] : "tenkacloud-dev-${name}"],
      [for name in ["failures", "age", "c-silent"] : "tenkacloud-dev-${name}"],
    ))
    error_message = "There must be an alarm for each thing that can go wrong."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["a-consumer-dead-letters"].namespace == "AWS/SQS"
      && aws_cloudwatch_metric_alarm.this["a-consumer-dead-letters"].metric_name == "ApproximateNumberOfMessagesVisible"
      && aws_cloudwatch_metric_alarm.this["a-consumer-dead-letters"].dimensions == tomap({ QueueName = "tenkacloud-dev-a-consumer-dlq" })
      && aws_cloudwatch_metric_alarm.this["a-consumer-dead-letters"].threshold == 0
      && aws_cloudwatch_metric_alarm.this["a-consumer-dead-letters"].comparison_operator == "GreaterThanThreshold"
    )
    error_message = "The first message in a queue must raise the alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["e-queue-queue-age"].namespace == "AWS/SQS"
      && aws_cloudwatch_metric_alarm.this["e-queue-queue-age"].metric_name == "ApproximateAgeOfOldestMessage"
      && aws_cloudwatch_metric_alarm.this["e-queue-queue-age"].dimensions == tomap({ QueueName = "tenkacloud-dev-e-queue-queue" })
      && aws_cloudwatch_metric_alarm.this["e-queue-queue-age"].threshold == 3600
      && aws_cloudwatch_metric_alarm.this["e-queue-queue-age"].comparison_operator == "GreaterThanThreshold"
    )
    error_message = "Work that waits in a queue for long must raise the alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["d-api-errors"].metric_name == "Errors"
      && aws_cloudwatch_metric_alarm.this["d-api-errors"].dimensions == tomap({ FunctionName = "tenkacloud-dev-d-api" })
      && aws_cloudwatch_metric_alarm.this["b-stream-throttles"].metric_name == "Throttles"
      && aws_cloudwatch_metric_alarm.this["b-stream-throttles"].evaluation_periods == 3
    )
    error_message = "Errors and throttles must be watched."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["failures"].namespace == "TenkaCloud/Tenants"
      && aws_cloudwatch_metric_alarm.this["failures"].dimensions == tomap({ service = "tenkacloud-dev-a-consumer" })
      && aws_cloudwatch_metric_alarm.this["failures"].threshold == 5
      && aws_cloudwatch_metric_alarm.this["failures"].period == 60
      && aws_cloudwatch_metric_alarm.this["age"].namespace == "AWS/Lambda"
      && aws_cloudwatch_metric_alarm.this["age"].dimensions == tomap({ FunctionName = "tenkacloud-dev-a-consumer" })
      && aws_cloudwatch_metric_alarm.this["age"].threshold == 300000
      && aws_cloudwatch_metric_alarm.this["age"].comparison_operator == "GreaterThanThreshold"
    )
    error_message = "A service's alarm must be about its own metric; of failures, some are normal."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["c-silent"].statistic == "SampleCount"
      && aws_cloudwatch_metric_alarm.this["c-silent"].comparison_operator == "LessThanThreshold"
      && aws_cloudwatch_metric_alarm.this["c-silent"].threshold == 1
      && aws_cloudwatch_metric_alarm.this["c-silent"].period == 900
      && aws_cloudwatch_metric_alarm.this["c-silent"].evaluation_periods == 3
      && { for name, alarm in aws_cloudwatch_metric_alarm.this : name => alarm.treat_missing_data if alarm.treat_missing_data != "notBreaching" } == { c-silent = "breaching" }
      && alltrue([for alarm in aws_cloudwatch_metric_alarm.this : toset(alarm.alarm_actions) == toset(var.alarm_topic_arns) && toset(alarm.ok_actions) == toset(var.alarm_topic_arns)])
    )
    error_message = "Silence must be an alarm only where it is said to be, and each alarm must tell the topics."
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.loss : name => toset(flatten([
        for query in alarm.metric_query : [for metric in query.metric : [merge({ metric = "${metric.namespace}/${metric.metric_name}/${metric.stat}" }, metric.dimensions)]]
      ]))
      } == {
      destination-delivery-failures = toset([
        for service in ["a-consumer", "b-stream"] :
        { metric = "AWS/Lambda/DestinationDeliveryFailures/Sum", FunctionName = "tenkacloud-dev-${service}" }
      ])
      async-events-dropped = toset([
        for service in ["a-consumer", "b-stream"] :
        { metric = "AWS/Lambda/AsyncEventsDropped/Sum", FunctionName = "tenkacloud-dev-${service}" }
      ])
      rule-dead-letter-failures = toset([
        for rule in ["an-event", "e-queue"] :
        { metric = "AWS/Events/InvocationsFailedToBeSentToDlq/Sum", EventBusName = "tenkacloud-dev-tenant-events", RuleName = "tenkacloud-dev-${rule}" }
      ])
    }
    error_message = "What is lost beyond the queues must be counted for each function that is not invoked by one, and for each rule."
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
      && [for widget in jsondecode(output.dashboard_body).widgets : [widget.properties.title, widget.x, widget.y]] == [
        ["Funnel: tenants a minute", 0, 0],
        ["Of its own", 12, 0],
        ["How long each step takes, ms: median and 95th percentile", 0, 6],
        ["Errors and throttles", 12, 6],
        ["How long the oldest message has been in a queue, s", 0, 12],
        ["Dead letters", 12, 12],
        ["Lost beyond the queues", 0, 18],
      ]
    )
    error_message = "The dashboard must show the funnel, its latencies, what goes wrong, and each service's own charts."
  }

  assert {
    condition = (
      jsondecode(output.dashboard_body).widgets[0].properties.metrics == [
        ["TenkaCloud/Tenants", "Begun", "service", "tenkacloud-dev-b-stream", { label = "begun", stat = "Sum" }],
        ["TenkaCloud/Tenants", "Done", "service", "tenkacloud-dev-a-consumer", { label = "done", stat = "Sum" }],
        ["TenkaCloud/Tenants", "Failed", "service", "tenkacloud-dev-a-consumer", { label = "failed", stat = "Sum" }],
      ]
      && jsondecode(output.dashboard_body).widgets[1].properties.metrics == [
        ["TenkaCloud/Tenants", "Oldest", "service", "tenkacloud-dev-a-consumer", { label = "oldest", stat = "Maximum" }],
        ["AWS/Lambda", "IteratorAge", "FunctionName", "tenkacloud-dev-a-consumer", { label = "age", stat = "p95", yAxis = "right" }],
      ]
      && [for metric in jsondecode(output.dashboard_body).widgets[2].properties.metrics : metric[4].label] == ["b-stream p50", "a-consumer p50", "b-stream p95", "a-consumer p95"]
    )
    error_message = "Counts and steps must come in the order of their positions, over all services."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/monitoring"
  }

  variables {
    services            = { a = { function = { name = "tenkacloud-dev-a" } } }
    failures_per_minute = -1
    alarm_topic_arns    = ["arn:aws:sqs:ap-northeast-1:123456789012:a"]
  }

  expect_failures = [
    var.services,
    var.failures_per_minute,
    var.alarm_topic_arns,
  ]
}

run "two_alarms_of_one_name_are_rejected" {
  command = plan

  module {
    source = "../modules/monitoring"
  }

  variables {
    services = {
      for service in ["a", "b"] : service => {
        function   = { name = "tenkacloud-dev-${service}", event_rule_name = "tenkacloud-dev-an-event" }
        monitoring = { alarms = { age = { description = "It is late", metric = "Age", statistic = "Maximum", threshold = 1, periods = 1 } } }
      }
    }
  }

  expect_failures = [var.services]
}

run "without_queues" {
  command = plan

  module {
    source = "../modules/monitoring"
  }

  variables {
    services = { a = { function = { name = "tenkacloud-dev-a", event_rule_name = "tenkacloud-dev-an-event" } } }
  }

  assert {
    condition = [for widget in jsondecode(output.dashboard_body).widgets : widget.properties.title] == [
      "Errors and throttles", "Lost beyond the queues",
    ]
    error_message = "A chart without a metric must not be shown."
  }
}
