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
    event_bus_name       = "tenkacloud-dev-tenant-events"
  }
  export_retention_days = 7
}

run "resumes_the_stuck" {
  command = plan

  module {
    source = "../modules/reconciler"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-reconciler"
      && output.function.arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-reconciler"
      && output.function.role_name == "tenkacloud-dev-reconciler"
      && output.configuration.role_path == "/tenkacloud/dev/control-plane/"
      && output.configuration.handler == "reconciler.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-reconciler"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME            = "TenkaCloud-dev"
      EVENT_BUS_NAME        = "tenkacloud-dev-tenant-events"
      STUCK_AFTER_SECONDS   = "900"
      AUTOMATIC_RETRIES_MAX = "5"
      EXPORT_RETENTION_DAYS = "7"
    })
    error_message = "The function must be told what it works on, and its limits."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "FindStuckTenants"
          Effect = "Allow"
          Action = "dynamodb:Query"
          Resource = [
            "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev/index/in-flight",
            "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev/index/due",
          ]
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
    error_message = "The function must read the sparse indexes and single records, mark tenants and ask for onboarding, and nothing else."
  }

  assert {
    condition = (
      output.configuration.schedule_expression == "rate(1 minute)"
      && output.configuration.enabled
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-reconciler"
    )
    error_message = "The function must run every minute, by its own rule and no other."
  }

  assert {
    condition     = output.configuration.reserved_concurrent_executions == 1
    error_message = "There must be one sweep at a time."
  }

  # Without the age, runs that met a long sweep would wait for six hours, and then come one after the other.
  assert {
    condition     = output.configuration.delivery == { age = 60, rule_retries = 0, function_retries = 0 }
    error_message = "A run that failed or had to wait must not be made up for: the next one is a minute away."
  }

  assert {
    condition = (
      output.monitoring.alarms.oldest-in-flight.threshold == 1800
      && output.monitoring.alarms.reconciler-silent.periods == 5
      && output.monitoring.alarms.reconciler-silent.period_minutes == 1
      && output.settings == { stuck_after_seconds = 900, automatic_retries_max = 5, period_minutes = 1 }
    )
    error_message = "What it goes by must be told, and its alarms must follow from it."
  }
}

run "as_it_is_told" {
  command = plan

  module {
    source = "../modules/reconciler"
  }

  variables {
    stuck_after_seconds   = 420
    automatic_retries_max = 3
    period_minutes        = 10
  }

  assert {
    condition = (
      output.configuration.schedule_expression == "rate(10 minutes)"
      && output.configuration.environment_variables["STUCK_AFTER_SECONDS"] == "420"
      && output.configuration.environment_variables["AUTOMATIC_RETRIES_MAX"] == "3"
      && output.settings == { stuck_after_seconds = 420, automatic_retries_max = 3, period_minutes = 10 }
    )
    error_message = "The function must have the limits it was given."
  }

  # An alarm that looks each minute for a metric of every tenth would never be raised, or never end.
  assert {
    condition = (
      output.monitoring.alarms.oldest-in-flight.threshold == 840
      && output.monitoring.alarms.oldest-in-flight.period_minutes == 10
      && output.monitoring.alarms.reconciler-silent.period_minutes == 10
    )
    error_message = "The alarms must look as often as the function runs."
  }
}

# One run for all of them, since each run costs a second: every variable named below has to
# reject its value, and nothing else may fail.
run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/reconciler"
  }

  variables {
    stuck_after_seconds            = 419
    automatic_retries_max          = 0
    period_minutes                 = 0.5
    reserved_concurrent_executions = 2
  }

  expect_failures = [
    var.stuck_after_seconds,
    var.automatic_retries_max,
    var.period_minutes,
    var.reserved_concurrent_executions,
  ]
}
