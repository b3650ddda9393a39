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
  context = {
    environment          = "dev"
    name_prefix          = "tenkacloud-dev"
    account_id           = "123456789012"
    region               = "ap-northeast-1"
    partition            = "aws"
    zip_path             = "versions.tf" # stands for a zip: a plan only hashes it
    log_retention_days   = 30
    function_environment = { POWERTOOLS_LOG_LEVEL = "INFO" }
  }
  function = {
    service               = "example-service"
    plane                 = "application"
    description           = "An example"
    policy_json           = jsonencode({ Version = "2012-10-17", Statement = [] })
    environment_variables = { TABLE_NAME = "TenkaCloud-dev" }
    timeout               = 300
    memory_size           = 512
  }
  event = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = ["TenantTierChanging", "TenantExporting"] }
}

run "works_through_a_queue" {
  command = plan

  module {
    source = "../modules/queue-consumer"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-example-service"
      && output.configuration.handler == "example_service.handler.handler"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.timeout == 300
      && output.configuration.memory_size == 512
      && output.configuration.environment_variables == tomap({ TABLE_NAME = "TenkaCloud-dev" })
    )
    error_message = "The function must be the one that was described."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.name == "tenkacloud-dev-example-service"
      && aws_cloudwatch_event_rule.this.event_bus_name == "tenkacloud-dev-tenant-events"
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantTierChanging", "TenantExporting"] }
      && output.function.event_rule_name == "tenkacloud-dev-example-service"
    )
    error_message = "One rule, named after the service, must take the events from their bus, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.this.rule == "tenkacloud-dev-example-service"
      && aws_cloudwatch_event_target.this.event_bus_name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_target.this.target_id == "example-service"
      && aws_cloudwatch_event_target.this.arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-queue"
    )
    error_message = "The rule's target must be the queue."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds == 21600
      && aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts == 20
      && aws_cloudwatch_event_target.this.dead_letter_config[0].arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
    )
    error_message = "An event that the queue does not take must be retried for a bounded time and then be kept in the dead-letter queue."
  }

  assert {
    condition = (
      aws_sqs_queue.this.name == "tenkacloud-dev-example-service-queue"
      && aws_sqs_queue.this.sqs_managed_sse_enabled
      && aws_sqs_queue.this.visibility_timeout_seconds == 6 * 300
      && jsondecode(aws_sqs_queue.this.redrive_policy) == {
        deadLetterTargetArn = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
        maxReceiveCount     = 5
      }
    )
    error_message = "A message must be hidden for six time-outs, and be kept in the function's dead-letter queue after five receives."
  }

  # A message's age goes on in the dead-letter queue.
  assert {
    condition     = aws_sqs_queue.this.message_retention_seconds < 14 * 24 * 60 * 60
    error_message = "The dead-letter queue must keep messages for longer than the queue itself."
  }

  assert {
    condition = jsondecode(output.configuration.queue_policy_json).Statement == [{
      Sid       = "RuleSendsEvents"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-queue"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-example-service" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }

  assert {
    condition = jsondecode(output.configuration.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-example-service" } }
    }]
    error_message = "The rule, and no other, must be able to send to the dead-letter queue."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this.event_source_arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-queue"
      && aws_lambda_event_source_mapping.this.function_name == output.function.arn
      && aws_lambda_event_source_mapping.this.batch_size == 1
      && aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.this.scaling_config[0].maximum_concurrency == 10
    )
    error_message = "The function must take one message at a time, say whether it failed, and not run away."
  }

  assert {
    condition = slice(jsondecode(output.configuration.policy_json).Statement, 0, 2) == [
      {
        Sid      = "ReadQueue"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"]
        Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-queue"
      },
      {
        Sid      = "GoOnWithTheRest"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage", "sqs:ChangeMessageVisibility"]
        Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-queue"
      },
    ]
    error_message = "The function must be able to work through its own queue, and no other."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/queue-consumer"
  }

  variables {
    function = {
      service               = "example-service"
      plane                 = "application"
      description           = "An example"
      policy_json           = jsonencode({ Version = "2012-10-17", Statement = [] })
      environment_variables = { QUEUE_URL = "https://example.com/" }
    }
    event               = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = [] }
    maximum_concurrency = 1
  }

  expect_failures = [
    var.function,
    var.event,
    var.maximum_concurrency,
  ]
}
