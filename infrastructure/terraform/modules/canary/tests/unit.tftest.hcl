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
  environment        = "dev"
  name_prefix        = "tenkacloud-dev"
  zip_path           = "main.tf"
  table_name         = "TenkaCloud-dev"
  period_minutes     = 15
  scheduled          = true
  data_bucket_name   = "tenkacloud-data-dev-123456789012"
  log_retention_days = 30
  log_level          = "INFO"
  account_id         = "123456789012"
  region             = "ap-northeast-1"
  partition          = "aws"
}

run "onboards_the_canary" {
  command = plan

  assert {
    condition = (
      output.function_name == "tenkacloud-dev-canary"
      && output.function_arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-canary"
      && output.role_name == "tenkacloud-dev-canary"
      && module.function.role_path == "/tenkacloud/dev/control-plane/"
      && module.function.handler == "canary.handler.handler"
      && output.log_group_name == "/aws/lambda/tenkacloud-dev-canary"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = module.function.environment_variables == tomap({
      TABLE_NAME       = "TenkaCloud-dev"
      DATA_BUCKET_NAME = "tenkacloud-data-dev-123456789012"
      ACCOUNT_ID       = "123456789012"
    })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(module.function.policy_json) == {
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
      aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(15 minutes)"
      && aws_cloudwatch_event_rule.schedule.state == "ENABLED"
      && aws_cloudwatch_event_target.canary.rule == "tenkacloud-dev-canary"
      && aws_cloudwatch_event_target.canary.arn == output.function_arn
      && aws_cloudwatch_event_target.canary.retry_policy[0].maximum_retry_attempts == 0
      && aws_lambda_permission.schedule.principal == "events.amazonaws.com"
      && aws_lambda_permission.schedule.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-canary"
    )
    error_message = "The function must run each period, by its own rule and no other."
  }

  assert {
    condition     = aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 0
    error_message = "A run that failed must not be repeated beside the next one."
  }
}

run "not_by_itself" {
  command = plan

  variables {
    scheduled      = false
    period_minutes = 1
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.schedule.state == "DISABLED"
      && aws_cloudwatch_event_rule.schedule.schedule_expression == "rate(1 minute)"
    )
    error_message = "Without a schedule the rule must be there, and do nothing."
  }
}
