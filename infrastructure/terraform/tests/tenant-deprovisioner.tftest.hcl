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
    data_table_name      = "TenkaCloud-dev-tenant-data"
    data_bucket_name     = "tenkacloud-data-dev-123456789012"
    exports_bucket_name  = "tenkacloud-dev-exports-123456789012"

    tenant_access_role_arn      = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
    tenant_maintenance_role_arn = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
  }
  event_bus_name = "tenkacloud-dev-tenant-events"
  resources_policy_json = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "AStep", Effect = "Allow", Action = "s3:CreateBucket", Resource = "arn:aws:s3:::a-bucket" }]
  })
}

run "purges_tenants" {
  command = plan

  module {
    source = "../modules/tenant-deprovisioner"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-tenant-deprovisioner"
      && output.function.role_name == "tenkacloud-dev-tenant-deprovisioner"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.handler == "tenant_deprovisioner.handler.handler"
      && output.configuration.timeout == 300
      && output.configuration.memory_size == 512
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-tenant-deprovisioner"
    )
    error_message = "The function must be named after its service, belong to its plane, and have time for a slice."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME                  = "TenkaCloud-dev"
      DATA_TABLE_NAME             = "TenkaCloud-dev-tenant-data"
      DATA_BUCKET_NAME            = "tenkacloud-data-dev-123456789012"
      EXPORTS_BUCKET_NAME         = "tenkacloud-dev-exports-123456789012"
      EVENT_BUS_NAME              = "tenkacloud-dev-tenant-events"
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
          Sid      = "MaintainTenants"
          Effect   = "Allow"
          Action   = ["sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole"]
          Resource = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
        },
        {
          Sid      = "ListUploadsOfPool"
          Effect   = "Allow"
          Action   = "s3:ListBucketMultipartUploads"
          Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012"
        },
        {
          Sid      = "ReadOperation"
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
              "events:detail-type" = ["TenantDeprovisioned", "TenantOperationProgressed"]
            }
          }
        },
        # What modules/queue-consumer adds, and is tested for.
        {
          Sid      = "ReadQueue"
          Effect   = "Allow"
          Action   = ["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"]
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-deprovisioner-queue"
        },
        {
          Sid      = "GoOnWithTheRest"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage", "sqs:ChangeMessageVisibility"]
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-deprovisioner-queue"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-tenant-deprovisioner:*"
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
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-deprovisioner-dlq"
        },
      ]
    }
    error_message = "The function must remove resources, act for tenants as their maintenance, list uploads, look at operations and report, and nothing else."
  }

  assert {
    condition = (
      output.function.event_rule_name == "tenkacloud-dev-tenant-deprovisioner"
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-deprovisioner"
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantOffboarding"] }
      && output.function.queue_name == "tenkacloud-dev-tenant-deprovisioner-queue"
      && output.function.dead_letter_queue_name == "tenkacloud-dev-tenant-deprovisioner-dlq"
    )
    error_message = "The rule must take what the control plane asks of it from the tenants' bus, and nothing else."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/tenant-deprovisioner"
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
