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
    environment             = "dev"
    name_prefix             = "tenkacloud-dev"
    account_id              = "123456789012"
    region                  = "ap-northeast-1"
    partition               = "aws"
    zip_path                = "versions.tf" # stands for a zip: a plan only hashes it
    log_retention_days      = 30
    function_environment    = { POWERTOOLS_LOG_LEVEL = "INFO" }
    table_name              = "TenkaCloud-dev"
    data_table_name         = "TenkaCloud-dev-tenant-data"
    data_bucket_name        = "tenkacloud-data-dev-123456789012"
    request_timeout_seconds = 29
    tenant_access_role_arn  = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
  }
  api          = { id = "abcdef1234", authorizer_id = "auth12" }
  tenant_claim = "custom:tenantId"
}

run "acts_for_tenants_and_does_nothing_else" {
  command = plan

  module {
    source = "../modules/problem-data"
  }

  assert {
    condition = (
      output.function.name == "tenkacloud-dev-problem-data"
      && output.function.role_name == "tenkacloud-dev-problem-data"
      && output.configuration.role_path == "/tenkacloud/dev/application-plane/"
      && output.configuration.handler == "problem_data.handler.handler"
      && output.function.log_group_name == "/aws/lambda/tenkacloud-dev-problem-data"
      && output.function.dead_letter_queue_url == null
    )
    error_message = "The function must be named after its service, belong to its plane, and have no queue: its callers wait."
  }

  assert {
    condition = output.configuration.environment_variables == tomap({
      TABLE_NAME             = "TenkaCloud-dev"
      DATA_TABLE_NAME        = "TenkaCloud-dev-tenant-data"
      DATA_BUCKET_NAME       = "tenkacloud-data-dev-123456789012"
      TENANT_ACCESS_ROLE_ARN = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      TENANT_CLAIM           = "custom:tenantId"
      ACCOUNT_ID             = "123456789012"
    })
    error_message = "The function must be told what it works on."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ActForTenants"
          Effect   = "Allow"
          Action   = ["sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRole"]
          Resource = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-problem-data:*"
        },
        {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = "*"
        },
      ]
    }
    error_message = "The function must be able to start tenants' sessions, and nothing else."
  }

  assert {
    condition = output.route_keys == toset([
      "GET /problems",
      "GET /problems/{problemId}",
      "PUT /problems/{problemId}",
      "DELETE /problems/{problemId}",
      "GET /problems/{problemId}/files",
      "GET /problems/{problemId}/files/{name+}",
      "PUT /problems/{problemId}/files/{name+}",
      "DELETE /problems/{problemId}/files/{name+}",
    ])
    error_message = "The routes must be those the function answers."
  }

  assert {
    condition = alltrue([
      for key, route in aws_apigatewayv2_route.this :
      route.route_key == key && route.authorization_type == "JWT" && route.authorizer_id == "auth12" && route.api_id == "abcdef1234"
    ])
    error_message = "No route may be reached without a verified token."
  }

  assert {
    condition = (
      aws_apigatewayv2_integration.this.integration_type == "AWS_PROXY"
      && aws_apigatewayv2_integration.this.payload_format_version == "2.0"
      && aws_apigatewayv2_integration.this.integration_uri == "arn:aws:lambda:ap-northeast-1:123456789012:function:tenkacloud-dev-problem-data"
    )
    error_message = "The function must get events of payload format 2.0: it takes the tenant from no other."
  }

  assert {
    condition = (
      aws_lambda_permission.api.principal == "apigateway.amazonaws.com"
      && aws_lambda_permission.api.action == "lambda:InvokeFunction"
      && aws_lambda_permission.api.function_name == output.function.name
      && aws_lambda_permission.api.source_arn == "arn:aws:execute-api:ap-northeast-1:123456789012:abcdef1234/*/*/problems*"
    )
    error_message = "Only this API may invoke the function."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/problem-data"
  }

  variables {
    api          = { id = "abcdef1234/*", authorizer_id = "auth12" }
    tenant_claim = "a claim"
  }

  expect_failures = [
    var.api,
    var.tenant_claim,
  ]
}

run "an_api_without_an_authorizer_is_rejected" {
  command = plan

  module {
    source = "../modules/problem-data"
  }

  variables {
    api = { id = "abcdef1234", authorizer_id = "" }
  }

  expect_failures = [
    var.api,
  ]
}
