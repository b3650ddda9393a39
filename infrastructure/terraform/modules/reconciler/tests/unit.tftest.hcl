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
  environment         = "dev"
  name_prefix         = "tenkacloud-dev"
  zip_path            = "main.tf"
  table_name          = "TenkaCloud-dev"
  stuck_after_seconds = 900
  resumptions_max     = 5
  event_bus_name      = "tenkacloud-dev-tenant-events"
  log_retention_days  = 30
  log_level           = "INFO"
  account_id          = "123456789012"
  region              = "ap-northeast-1"
  partition           = "aws"
}

run "resumes_the_stuck" {
  command = plan

  assert {
    condition = (
      output.function_name == "tenkacloud-dev-reconciler"
      && output.function_arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-reconciler"
      && output.role_name == "tenkacloud-dev-reconciler"
      && module.function.role_path == "/tenkacloud/dev/control-plane/"
      && module.function.handler == "reconciler.handler.handler"
      && output.log_group_name == "/aws/lambda/tenkacloud-dev-reconciler"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = module.function.environment_variables == tomap({
      TABLE_NAME          = "TenkaCloud-dev"
      EVENT_BUS_NAME      = "tenkacloud-dev-tenant-events"
      STUCK_AFTER_SECONDS = "900"
      RESUMPTIONS_MAX     = "5"
    })
    error_message = "The function must be told what it works on, and its limits."
  }

  assert {
    condition = jsondecode(module.function.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "FindStuckTenants"
          Effect   = "Allow"
          Action   = "dynamodb:Query"
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev/index/in-flight"
        },
        {
          Sid      = "ReadTenants"
          Effect   = "Allow"
          Action   = "dynamodb:BatchGetItem"
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
        },
        {
          Sid      = "MarkTenant"
          Effect   = "Allow"
          Action   = ["dynamodb:UpdateItem", "dynamodb:PutItem"]
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
        },
        {
          Sid      = "RequestOnboarding"
          Effect   = "Allow"
          Action   = "events:PutEvents"
          Resource = "arn:aws:events:ap-northeast-1:123456789012:event-bus/tenkacloud-dev-tenant-events"
          Condition = {
            StringEqualsIfExists = {
              "events:source"      = "tenkacloud.control-plane"
              "events:detail-type" = "TenantOnboarding"
            }
          }
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-reconciler:*"
        },
        {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = "*"
        },
      ]
    }
    error_message = "The function must read the sparse index and single records, mark tenants and ask for onboarding, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(1 minute)"
      && aws_cloudwatch_event_target.reconciler.rule == "tenkacloud-dev-reconciler"
      && aws_cloudwatch_event_target.reconciler.arn == output.function_arn
      && aws_cloudwatch_event_target.reconciler.retry_policy[0].maximum_retry_attempts == 0
      && aws_lambda_permission.schedule.principal == "events.amazonaws.com"
      && aws_lambda_permission.schedule.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-reconciler"
    )
    error_message = "The function must run every minute, by its own rule and no other."
  }

  assert {
    condition     = module.function.reserved_concurrent_executions == 1
    error_message = "There must be one sweep at a time."
  }

  # Without the age, runs that met a long sweep would wait for six hours, and then come one after the other.
  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 60
    )
    error_message = "A run that failed or had to wait must not be made up for: the next one is a minute away."
  }
}
