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
  environment            = "dev"
  name_prefix            = "tenkacloud-dev"
  zip_path               = "main.tf"
  table_name             = "TenkaCloud-dev"
  event_bus_name         = "tenkacloud-dev-tenant-events"
  data_bucket_name       = "tenkacloud-data-dev-123456789012"
  tenant_access_role_arn = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
  log_retention_days     = 30
  log_level              = "INFO"
  account_id             = "123456789012"
  region                 = "ap-northeast-1"
  partition              = "aws"
}

run "provisions_tenants" {
  command = plan

  assert {
    condition = (
      output.function_name == "tenkacloud-dev-tenant-provisioner"
      && output.function_arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-tenant-provisioner"
      && output.role_name == "tenkacloud-dev-tenant-provisioner"
      && module.function.role_path == "/tenkacloud/dev/application-plane/"
      && module.function.handler == "tenant_provisioner.handler.handler"
      && output.log_group_name == "/aws/lambda/tenkacloud-dev-tenant-provisioner"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition = module.function.environment_variables == tomap({
      TABLE_NAME             = "TenkaCloud-dev"
      EVENT_BUS_NAME         = "tenkacloud-dev-tenant-events"
      DATA_BUCKET_NAME       = "tenkacloud-data-dev-123456789012"
      TENKACLOUD_ENVIRONMENT = "dev"
      TENANT_ACCESS_ROLE_ARN = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      ACCOUNT_ID             = "123456789012"
    })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(module.function.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "MarkPoolTenant"
          Effect   = "Allow"
          Action   = "s3:PutObject"
          Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012/tenants/*/.tenkacloud.json"
        },
        {
          Sid      = "CreateSiloBucket"
          Effect   = "Allow"
          Action   = "s3:CreateBucket"
          Resource = "arn:aws:s3:::tenkacloud-dev-silo-*"
        },
        {
          Sid    = "HardenSiloBucket"
          Effect = "Allow"
          Action = [
            "s3:PutEncryptionConfiguration",
            "s3:PutBucketVersioning",
            "s3:PutBucketTagging",
            "s3:PutBucketPublicAccessBlock",
            "s3:PutBucketPolicy",
            "s3:ListBucket",
            "s3:GetEncryptionConfiguration",
            "s3:GetBucketTagging",
            "s3:GetBucketPublicAccessBlock",
            "s3:GetBucketPolicy",
          ]
          Resource  = "arn:aws:s3:::tenkacloud-dev-silo-*"
          Condition = { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
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
    error_message = "The function must mark prefixes, make dedicated buckets, look at tenants and report, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_rule.tenant_onboarding.name == "tenkacloud-dev-tenant-onboarding"
      && aws_cloudwatch_event_rule.tenant_onboarding.event_bus_name == "tenkacloud-dev-tenant-events"
      && jsondecode(output.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding"] }
    )
    error_message = "The rule must take TenantOnboarding from the tenants' bus, and nothing else."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.tenant_provisioner.rule == "tenkacloud-dev-tenant-onboarding"
      && aws_cloudwatch_event_target.tenant_provisioner.event_bus_name == "tenkacloud-dev-tenant-events"
      && aws_cloudwatch_event_target.tenant_provisioner.target_id == "tenant-provisioner"
      && aws_cloudwatch_event_target.tenant_provisioner.arn == output.function_arn
    )
    error_message = "The rule's target must be the function."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.tenant_provisioner.retry_policy[0].maximum_event_age_in_seconds == 21600
      && aws_cloudwatch_event_target.tenant_provisioner.retry_policy[0].maximum_retry_attempts == 20
      && aws_cloudwatch_event_target.tenant_provisioner.dead_letter_config[0].arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
    )
    error_message = "An event that cannot be delivered must be retried for a bounded time and then be kept in the queue."
  }

  assert {
    condition = (
      aws_lambda_permission.tenant_onboarding.principal == "events.amazonaws.com"
      && aws_lambda_permission.tenant_onboarding.action == "lambda:InvokeFunction"
      && aws_lambda_permission.tenant_onboarding.function_name == output.function_name
      && aws_lambda_permission.tenant_onboarding.source_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding"
    )
    error_message = "Only the rule may invoke the function."
  }

  assert {
    condition = jsondecode(module.function.dead_letter_queue_policy_json).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-onboarding" } }
    }]
    error_message = "The rule, and no other, must be able to send to the queue."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this.function_name == output.function_name
      && aws_lambda_function_event_invoke_config.this.maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this.maximum_event_age_in_seconds == 21600
      && aws_lambda_function_event_invoke_config.this.destination_config[0].on_failure[0].destination == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-provisioner-dlq"
    )
    error_message = "An event the function fails on must be retried and then be kept in the queue."
  }
}
