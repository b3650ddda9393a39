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
  stream_arn = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev/stream/2026-01-01T00:00:00.000"
}

run "requests_provisioning" {
  command = plan

  module {
    source = "../modules/provisioning"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-provisioning"
      && output.function.arn == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-provisioning"
      && output.function.role_name == "tenkacloud-dev-provisioning"
      && output.configuration.role_path == "/tenkacloud/dev/control-plane/"
      && output.configuration.handler == "provisioning.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-provisioning"
    )
    error_message = "The function must be named after its service and belong to its plane."
  }

  assert {
    condition     = output.configuration.environment_variables == tomap({ TABLE_NAME = "TenkaCloud-dev", EVENT_BUS_NAME = "tenkacloud-dev-tenant-events" })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ReadTenantStream"
          Effect   = "Allow"
          Action   = ["dynamodb:ListStreams", "dynamodb:GetShardIterator", "dynamodb:GetRecords", "dynamodb:DescribeStream"]
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev/stream/*"
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
              "events:source" = "tenkacloud.control-plane"
              "events:detail-type" = [
                "TenantOnboarding", "TenantTierChanging", "TenantExporting", "TenantOffboarding", "TenantSuspended", "TenantReactivated",
              ]
            }
          }
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-provisioning:*"
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
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-dlq"
        },
      ]
    }
    error_message = "The function must read the stream, mark tenants and ask for onboarding, and nothing else."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.tenant_stream.event_source_arn == var.stream_arn
      && aws_lambda_event_source_mapping.tenant_stream.function_name == output.function.arn
      && aws_lambda_event_source_mapping.tenant_stream.starting_position == "TRIM_HORIZON"
      && aws_lambda_event_source_mapping.tenant_stream.batch_size == 100
      && aws_lambda_event_source_mapping.tenant_stream.parallelization_factor == 10
    )
    error_message = "The function must read its table's stream from the start, in batches of 100."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.tenant_stream.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.tenant_stream.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.tenant_stream.maximum_retry_attempts == 20
      && aws_lambda_event_source_mapping.tenant_stream.maximum_record_age_in_seconds == 21600
      && aws_lambda_event_source_mapping.tenant_stream.destination_config[0].on_failure[0].destination_arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-provisioning-dlq"
    )
    error_message = "A bad record must be retried alone, for a bounded time, and then be kept in the queue."
  }

  assert {
    condition = [for pattern in output.stream_filter_patterns : jsondecode(pattern)] == [
      {
        eventName = ["INSERT"]
        dynamodb = {
          Keys     = { PK = { S = [{ prefix = "TENANT#" }] }, SK = { S = ["METADATA"] } }
          NewImage = { provisioningStatus = { S = ["PENDING"] } }
        }
      },
      {
        eventName = ["MODIFY"]
        dynamodb = {
          Keys     = { PK = { S = [{ prefix = "TENANT#" }] }, SK = { S = ["METADATA"] } }
          NewImage = { provisioningStatus = { S = ["PENDING"] } }
          OldImage = { provisioningStatus = { S = [{ "anything-but" = ["PENDING"] }, { exists = false }] } }
        }
      },
      {
        eventName = ["MODIFY"]
        dynamodb = {
          Keys     = { PK = { S = [{ prefix = "TENANT#" }] }, SK = { S = ["METADATA"] } }
          NewImage = { provisioningStatus = { S = ["PENDING"] }, GSI3PK = { S = [{ exists = false }] } }
          OldImage = { provisioningStatus = { S = ["PENDING"] } }
        }
      },
      {
        eventName = ["MODIFY"]
        dynamodb = {
          Keys     = { PK = { S = [{ prefix = "TENANT#" }] }, SK = { S = ["METADATA"] } }
          NewImage = { outbox = { S = [{ exists = true }] } }
        }
      },
      {
        eventName = ["MODIFY"]
        dynamodb = {
          Keys     = { PK = { S = [{ prefix = "TENANT#" }] }, SK = { S = ["METADATA"] } }
          NewImage = { revision = { N = [{ exists = false }] } }
          OldImage = { revision = { N = [{ exists = true }] } }
        }
      },
    ]
    error_message = "Only a tenant that enters PENDING may wake the function, one with something else to publish, or one that was put over a record of ours."
  }

  # Lambda's quota of filters.
  assert {
    condition     = length(output.stream_filter_patterns) <= 5
    error_message = "Lambda takes five patterns."
  }

  assert {
    condition = (
      toset([for filter in aws_lambda_event_source_mapping.tenant_stream.filter_criteria[0].filter : filter.pattern])
      == toset(output.stream_filter_patterns)
    )
    error_message = "The stream must be filtered by the patterns that are put out."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/provisioning"
  }

  variables {
    stream_arn = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
  }

  expect_failures = [
    var.stream_arn,
  ]
}
