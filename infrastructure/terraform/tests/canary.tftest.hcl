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
    data_bucket_name     = "tenkacloud-data-dev-123456789012"
  }
  scheduled = true
}

run "onboards_the_canary" {
  command = plan

  module {
    source = "../modules/canary"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-canary"
      && output.function.arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-canary"
      && output.function.role_name == "tenkacloud-dev-canary"
      && output.configuration.role_path == "/tenkacloud/dev/control-plane/"
      && output.configuration.handler == "canary.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-canary"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME       = "TenkaCloud-dev"
      DATA_BUCKET_NAME = "tenkacloud-data-dev-123456789012"
      ACCOUNT_ID       = "123456789012"
    })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ReplaceCanary"
          Effect   = "Allow"
          Action   = ["dynamodb:Query", "dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"]
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
          Condition = {
            "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = "TENANT#canary" }
            Null                        = { "dynamodb:LeadingKeys" = "false" }
          }
        },
        {
          Sid      = "RemoveMarker"
          Effect   = "Allow"
          Action   = "s3:DeleteObject"
          Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012/tenants/canary/.tenkacloud.json"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-canary:*"
        },
        {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = "*"
        },
      ]
    }
    error_message = "The function must reach the canary's items and its marker, and nothing else."
  }

  assert {
    condition = (
      output.configuration.schedule_expression == "rate(15 minutes)"
      && output.configuration.enabled
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-canary"
    )
    error_message = "The function must run each period, by its own rule and no other."
  }

  assert {
    condition     = output.configuration.delivery == { age = 60, rule_retries = 0, function_retries = 0 }
    error_message = "A run that failed must not be repeated beside the next one."
  }

  assert {
    condition     = output.monitoring.alarms.canary.period_minutes == 15 && output.settings == { period_minutes = 15, scheduled = true }
    error_message = "How often it runs must be told, and its alarm must look as often."
  }
}

run "not_by_itself" {
  command = plan

  module {
    source = "../modules/canary"
  }

  variables {
    scheduled      = false
    period_minutes = 1
  }

  assert {
    condition     = !output.configuration.enabled && output.configuration.schedule_expression == "rate(1 minute)"
    error_message = "Without a schedule the rule must be there, and do nothing."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/canary"
  }

  variables {
    period_minutes = 481
  }

  expect_failures = [
    var.period_minutes,
  ]
}
