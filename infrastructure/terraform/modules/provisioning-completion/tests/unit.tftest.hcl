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
  event_bus_name     = "tenkacloud-dev-tenant-events"
  log_retention_days = 30
  log_level          = "INFO"
  account_id         = "123456789012"
  region             = "ap-northeast-1"
  partition          = "aws"
}

run "records_results" {
  command = plan

  assert {
    condition = (
      output.function_name == "tenkacloud-dev-provisioning-completion"
      && output.function_arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-provisioning-completion"
      && output.role_name == "tenkacloud-dev-provisioning-completion"
      && module.function.role_path == "/tenkacloud/dev/control-plane/"
      && module.function.handler == "provisioning_completion.handler.handler"
      && output.log_group_name == "/aws/lambda/tenkacloud-dev-provisioning-completion"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition     = module.function.environment_variables == tomap({ TABLE_NAME = "TenkaCloud-dev" })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(module.function.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "RecordResult"
          Effect   = "Allow"
          Action   = ["dynamodb:UpdateItem", "dynamodb:PutItem"]
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
    error_message = "The function must update tenants, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.tenant_provisioned.name == "tenkacloud-dev-tenant-provisioned"
      && aws_cloudwatch_event_rule.tenant_provisioned.event_bus_name == "tenkacloud-dev-tenant-events"
      && jsondecode(output.event_pattern) == { source = ["tenkacloud.application-plane"], detail-type = ["TenantProvisioned"] }
    )
    error_message = "The rule must take TenantProvisioned from the tenants' bus, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.provisioning_completion.rule == "tenkacloud-dev-tenant-provisioned"
      && aws_cloudwatch_event_target.provisioning_completion.event_bus_name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_target.provisioning_completion.target_id == "provisioning-completion"
      && aws_cloudwatch_event_target.provisioning_completion.arn == output.function_arn
    )
    error_message = "The rule's target must be the function."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.provisioning_completion.retry_policy[0].maximum_event_age_in_seconds == 21600
      && aws_cloudwatch_event_target.provisioning_completion.retry_policy[0].maximum_retry_attempts == 20
      && aws_cloudwatch_event_target.provisioning_completion.dead_letter_config[0].arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
    )
    error_message = "An event that cannot be delivered must be retried for a bounded time and then be kept in the queue."
  }

  assert {
    condition = (
      aws_lambda_permission.tenant_provisioned.principal == "events.amazonaws.com"
      && aws_lambda_permission.tenant_provisioned.action == "lambda:InvokeFunction"
      && aws_lambda_permission.tenant_provisioned.function_name == output.function_name
      && aws_lambda_permission.tenant_provisioned.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-provisioned"
    )
    error_message = "Only the rule may invoke the function."
  }

  assert {
    condition = jsondecode(module.function.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-provisioned" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.function_name == output.function_name
      && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 21600
      && aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-completion-dlq"
    )
    error_message = "An event the function fails on must be retried and then be kept in the queue."
  }
}
