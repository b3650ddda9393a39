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

run "moves_and_exports_tenants" {
  command = plan

  module {
    source = "../modules/tenant-mover"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-tenant-mover"
      && output.function.role_name == "tenkacloud-dev-tenant-mover"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.handler == "tenant_mover.handler.handler"
      && output.configuration.timeout == 300
      && output.configuration.memory_size == 1769
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-tenant-mover"
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
      MULTIPART_THRESHOLD_BYTES   = "5368709120"
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
              "events:detail-type" = ["TenantTierChanged", "TenantExported", "TenantOperationProgressed"]
            }
          }
        },
        # What modules/queue-consumer adds, and is tested for.
        {
          Sid      = "ReadQueue"
          Effect   = "Allow"
          Action   = ["sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage"]
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-mover-queue"
        },
        {
          Sid      = "GoOnWithTheRest"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage", "sqs:ChangeMessageVisibility"]
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-mover-queue"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-tenant-mover:*"
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
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-tenant-mover-dlq"
        },
      ]
    }
    error_message = "The function must make and remove resources, act for tenants as their maintenance, look at operations and report, and nothing else."
  }

  assert {
    condition = (
      output.function.event_rule_name == "tenkacloud-dev-tenant-mover"
      && output.configuration.rule_arn == "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/tenkacloud-dev-tenant-mover"
      && jsondecode(output.function.event_pattern) == { source = ["tenkacloud.control-plane"], detail-type = ["TenantTierChanging", "TenantExporting"] }
      && output.function.queue_name == "tenkacloud-dev-tenant-mover-queue"
      && output.function.dead_letter_queue_name == "tenkacloud-dev-tenant-mover-dlq"
    )
    error_message = "The rule must take what the control plane asks of it from the tenants' bus, and nothing else."
  }

  assert {
    condition     = output.settings == { multipart_threshold_bytes = 5368709120 }
    error_message = "The threshold must be told."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/tenant-mover"
  }

  variables {
    event_bus_name            = "default"
    resources_policy_json     = "{}"
    multipart_threshold_bytes = 5242879
  }

  expect_failures = [
    var.event_bus_name,
    var.resources_policy_json,
    var.multipart_threshold_bytes,
  ]
}
