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
    service     = "example-service"
    plane       = "control"
    description = "An example"
    policy_json = jsonencode({ Version = "2012-10-17", Statement = [] })
  }
}

run "woken_by_an_event" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    function = {
      service               = "example-service"
      plane                 = "application"
      description           = "An example"
      policy_json           = jsonencode({ Version = "2012-10-17", Statement = [] })
      environment_variables = { TABLE_NAME = "TenkaCloud-dev" }
      memory_size           = 512
    }
    event = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = ["TenantOnboarding"] }
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-example-service"
      && output.configuration.handler == "example_service.handler.handler"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.timeout == 60
      && output.configuration.memory_size == 512
      && output.configuration.reserved_concurrent_executions == -1
      && output.configuration.environment_variables == tomap({ TABLE_NAME = "TenkaCloud-dev" })
    )
    error_message = "The function must be the one that was described."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.name == "tenkacloud-dev-tenant-onboarding"
      && aws_cloudwatch_event_rule.this.event_bus_name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_rule.this.schedule_expression == null
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding"] }
      && output.function.event_rule_name == "tenkacloud-dev-tenant-onboarding"
    )
    error_message = "The rule must be named after the event, take it from its bus, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.this.rule == "tenkacloud-dev-tenant-onboarding"
      && aws_cloudwatch_event_target.this.event_bus_name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_target.this.target_id == "example-service"
      && aws_cloudwatch_event_target.this.arn == output.function.arn
    )
    error_message = "The rule's target must be the function."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds == 21600
      && aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts == 20
      && aws_cloudwatch_event_target.this.dead_letter_config[0].arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
    )
    error_message = "An event that cannot be delivered must be retried for a bounded time and then be kept in the queue."
  }

  assert {
    condition = (
      aws_lambda_permission.this.statement_id == "TenantOnboardingRule"
      && aws_lambda_permission.this.principal == "events.amazonaws.com"
      && aws_lambda_permission.this.action == "lambda:InvokeFunction"
      && aws_lambda_permission.this.function_name == output.function.name
      && aws_lambda_permission.this.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding"
    )
    error_message = "Only the rule may invoke the function."
  }

  assert {
    condition = jsondecode(output.configuration.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.function_name == output.function.name
      && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 21600
      && aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-service-dlq"
    )
    error_message = "An event the function fails on must be retried and then be kept in the queue."
  }
}

run "woken_by_several_events" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    event = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = ["TenantOnboarding", "TenantExporting"] }
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.name == "tenkacloud-dev-tenant-onboarding"
      && aws_lambda_permission.this.statement_id == "TenantOnboardingRule"
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding", "TenantExporting"] }
    )
    error_message = "One rule must take them all, and be named after the first: so one that is added makes no second rule."
  }
}

run "woken_by_a_schedule" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    schedule = { description = "Looks for examples", period_minutes = 1 }
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.name == "tenkacloud-dev-example-service"
      && aws_cloudwatch_event_rule.this.event_bus_name == "default"
      && aws_cloudwatch_event_rule.this.event_pattern == null
      && aws_cloudwatch_event_rule.this.schedule_expression == "rate(1 minute)"
      && aws_cloudwatch_event_rule.this.state == "ENABLED"
      && aws_cloudwatch_event_target.this.rule == "tenkacloud-dev-example-service"
      && aws_cloudwatch_event_target.this.arn == output.function.arn
      && aws_cloudwatch_event_target.this.retry_policy[0].maximum_retry_attempts == 0
      && aws_cloudwatch_event_target.this.retry_policy[0].maximum_event_age_in_seconds == 60
      && length(aws_cloudwatch_event_target.this.dead_letter_config) == 0
      && aws_lambda_permission.this.statement_id == "ExampleServiceSchedule"
      && aws_lambda_permission.this.principal == "events.amazonaws.com"
      && aws_lambda_permission.this.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-example-service"
      && output.function.event_rule_name == null
    )
    error_message = "The function must run each period, by its own rule and no other."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 60
      && length(aws_lambda_function_event_invoke_config.this.destination_config) == 0
      && output.function.dead_letter_queue_name == null
    )
    error_message = "A run that failed or had to wait must not be made up for, and nothing of it be kept."
  }
}

run "not_by_itself" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    schedule = { description = "Looks for examples", period_minutes = 1440, enabled = false }
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.this.state == "DISABLED"
      && aws_cloudwatch_event_rule.this.schedule_expression == "rate(1440 minutes)"
    )
    error_message = "A schedule that is not enabled must be there, and do nothing."
  }
}

run "a_part_of_a_minute_is_rejected" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    schedule = { description = "Looks for examples", period_minutes = 0.5 }
  }

  expect_failures = [
    var.schedule,
  ]
}

run "an_event_without_a_name_for_its_rule_is_rejected" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    event = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = ["TenantOnboarding", "tenant onboarding"] }
  }

  expect_failures = [
    var.event,
  ]
}

run "no_event_is_rejected" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    event = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = [] }
  }

  expect_failures = [
    var.event,
  ]
}

run "an_event_and_a_schedule_are_rejected" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  variables {
    event    = { bus_name = "tenkacloud-dev-tenant-events", source = "tenkacloud.control-plane", detail_types = ["TenantOnboarding"] }
    schedule = { description = "Looks for examples", period_minutes = 1 }
  }

  expect_failures = [
    var.event,
  ]
}

run "nothing_that_wakes_it_is_rejected" {
  command = plan

  module {
    source = "../modules/event-consumer"
  }

  expect_failures = [
    var.event,
  ]
}
