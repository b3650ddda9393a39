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
    table_name           = "TenkaCloud-dev"
    waits                = { drain_seconds = 35, retire_after_seconds = 3600, verify_again_after_seconds = 7200 }
  }
  event_bus_name = "tenkacloud-dev-tenant-events"
}

run "records_results" {
  command = plan

  module {
    source = "../modules/provisioning-completion"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-provisioning-completion"
      && output.function.arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-provisioning-completion"
      && output.function.role_name == "tenkacloud-dev-provisioning-completion"
      && output.configuration.role_path == "/tenkacloud/dev/control-plane/"
      && output.configuration.handler == "provisioning_completion.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-provisioning-completion"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME                 = "TenkaCloud-dev"
      DRAIN_SECONDS              = "35"
      RETIRE_AFTER_SECONDS       = "3600"
      VERIFY_AGAIN_AFTER_SECONDS = "7200"
    })
    error_message = "The function must be told what it works on, and how long it waits."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "RecordResult"
          Effect   = "Allow"
          Action   = ["dynamodb:UpdateItem", "dynamodb:PutItem", "dynamodb:GetItem"]
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-provisioning-completion:*"
        },
        {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = "*"
        },
        {
          Sid      = "SendToDeadLetterQueue"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
        },
      ]
    }
    error_message = "The function must read and update tenants, and nothing else."
  }

  assert {
    condition = (
      output.function.event_rule_name == "tenkacloud-dev-tenant-provisioned"
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-provisioned"
      && jsondecode(output.function.event_pattern) == {
        source      = ["tenkacloud.application-plane"]
        detail-type = ["TenantProvisioned", "TenantTierChanged", "TenantExported", "TenantDeprovisioned", "TenantOperationProgressed"]
      }
    )
    error_message = "The rule must take the application plane's results from the tenants' bus, and keep the name it has always had."
  }

  # How these come about, modules/event-consumer is tested for.
  assert {
    condition = (
      output.configuration.delivery == { age = 21600, rule_retries = 20, function_retries = 2 }
      && output.function.dead_letter_queue_arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
    )
    error_message = "An event that is not handled must be retried for a bounded time and then be kept in the queue."
  }

  assert {
    condition = jsondecode(output.configuration.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-provisioned" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/provisioning-completion"
  }

  variables {
    event_bus_name = "default"
  }

  expect_failures = [
    var.event_bus_name,
  ]
}
