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
    environment                 = "dev"
    name_prefix                 = "tenkacloud-dev"
    account_id                  = "123456789012"
    region                      = "ap-northeast-1"
    partition                   = "aws"
    zip_path                    = "versions.tf" # stands for a zip: a plan only hashes it
    log_retention_days          = 30
    function_environment        = { POWERTOOLS_LOG_LEVEL = "INFO" }
    table_name                  = "TenkaCloud-dev"
    data_bucket_name            = "tenkacloud-data-dev-123456789012"
    tenant_access_role_arn      = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
    tenant_maintenance_role_arn = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
  }
  event_bus_name = "tenkacloud-dev-tenant-events"
  resources_policy_json = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "AStep", Effect = "Allow", Action = "s3:CreateBucket", Resource = "arn:aws:s3:::a-bucket" }]
  })
}

run "provisions_tenants" {
  command = plan

  module {
    source = "../modules/tenant-provisioner"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-tenant-provisioner"
      && output.function.arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-tenant-provisioner"
      && output.function.role_name == "tenkacloud-dev-tenant-provisioner"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.handler == "tenant_provisioner.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-tenant-provisioner"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME                  = "TenkaCloud-dev"
      EVENT_BUS_NAME              = "tenkacloud-dev-tenant-events"
      DATA_BUCKET_NAME            = "tenkacloud-data-dev-123456789012"
      TENKACLOUD_ENVIRONMENT      = "dev"
      TENANT_ACCESS_ROLE_ARN      = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      TENANT_MAINTENANCE_ROLE_ARN = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
      ACCOUNT_ID                  = "123456789012"
    })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        # What modules/tenant-resources puts out, and is tested for.
        {
          Sid      = "AStep"
          Effect   = "Allow"
          Action   = "s3:CreateBucket"
          Resource = "arn:aws:s3:::a-bucket"
        },
        {
          Sid      = "ReadTenantOfReplay"
          Effect   = "Allow"
          Action   = "dynamodb:GetItem"
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
        },
        {
          Sid      = "ReportResult"
          Effect   = "Allow"
          Action   = "events:PutEvents"
          Resource = "arn:aws:events:ap-northeast-1:123456789012:event-bus/tenkacloud-dev-tenant-events"
          Condition = {
            StringEqualsIfExists = {
              "events:source"      = "tenkacloud.application-plane"
              "events:detail-type" = "TenantProvisioned"
            }
          }
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-tenant-provisioner:*"
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
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
        },
      ]
    }
    error_message = "The function must make resources, look at tenants and report, and nothing else."
  }

  assert {
    condition = (
      output.function.event_rule_name == "tenkacloud-dev-tenant-onboarding"
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding"
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding"] }
    )
    error_message = "The rule must take TenantOnboarding from the tenants' bus, and nothing else."
  }

  # How these come about, modules/event-consumer is tested for.
  assert {
    condition = (
      output.configuration.delivery == { age = 21600, rule_retries = 20, function_retries = 2 }
      && output.function.dead_letter_queue_arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
    )
    error_message = "An event that is not handled must be retried for a bounded time and then be kept in the queue."
  }

  assert {
    condition = jsondecode(output.configuration.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/tenant-provisioner"
  }

  variables {
    event_bus_name        = "default"
    resources_policy_json = "{}"
  }

  expect_failures = [
    var.event_bus_name,
    var.resources_policy_json,
  ]
}
