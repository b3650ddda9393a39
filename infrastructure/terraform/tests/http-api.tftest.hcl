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
    account_id         = "123456789012"
    region             = "ap-northeast-1"
    partition          = "aws"
    log_retention_days = 30
  }
  name         = "tenkacloud-dev-tenant-api"
  description  = "What the tenants' clients call"
  jwt_issuer   = "https://tenkacloud.example.com/"
  jwt_audience = ["the-api"]
}

run "tokens_are_verified" {
  command = plan

  module {
    source = "../modules/http-api"
  }

  assert {
    condition = (
      aws_apigatewayv2_api.this.name == "tenkacloud-dev-tenant-api"
      && aws_apigatewayv2_api.this.protocol_type == "HTTP"
      && length(aws_apigatewayv2_api.this.cors_configuration) == 0
    )
    error_message = "The API must be an HTTP API that no other origin's script may call."
  }

  assert {
    condition = (
      aws_apigatewayv2_authorizer.jwt.authorizer_type == "JWT"
      && aws_apigatewayv2_authorizer.jwt.identity_sources == toset(["$request.header.Authorization"])
      && aws_apigatewayv2_authorizer.jwt.jwt_configuration[0].issuer == "https://tenkacloud.example.com/"
      && aws_apigatewayv2_authorizer.jwt.jwt_configuration[0].audience == toset(["the-api"])
    )
    error_message = "The authorizer must take the issuer's tokens for this audience only."
  }

  assert {
    condition = (
      aws_apigatewayv2_stage.default.name == "$default"
      && aws_apigatewayv2_stage.default.auto_deploy
      && aws_apigatewayv2_stage.default.default_route_settings[0].throttling_rate_limit == 500
      && aws_apigatewayv2_stage.default.default_route_settings[0].throttling_burst_limit == 500
    )
    error_message = "The stage must be at the root, throttled, and deploy by itself."
  }

  assert {
    condition = (
      aws_apigatewayv2_stage.default.access_log_settings[0].destination_arn == "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/apigateway/tenkacloud-dev-tenant-api"
      && aws_cloudwatch_log_group.access.name == "/aws/apigateway/tenkacloud-dev-tenant-api"
      && aws_cloudwatch_log_group.access.retention_in_days == 30
    )
    error_message = "Each request must be logged, for as long as is wanted."
  }

  # Only these: neither the token nor a claim that may be personal.
  assert {
    condition = values(jsondecode(output.access_log_format)) == [
      "$context.authorizer.error",
      "$context.integrationErrorMessage",
      "$context.responseLatency",
      "$context.requestId",
      "$context.routeKey",
      "$context.identity.sourceIp",
      "$context.status",
      "$context.authorizer.claims.sub",
      "$context.requestTime",
    ]
    error_message = "The log must say who asked for what and what came of it, and never hold a token."
  }
}

# One run for all of them, since each run costs a second: every variable named below has to
# reject its value, and nothing else may fail.
run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/http-api"
  }

  variables {
    name                   = "api"
    description            = ""
    jwt_issuer             = "http://tenkacloud.example.com/"
    jwt_audience           = []
    throttling_rate_limit  = 0
    throttling_burst_limit = 1.5
  }

  expect_failures = [
    var.name,
    var.description,
    var.jwt_issuer,
    var.jwt_audience,
    var.throttling_rate_limit,
    var.throttling_burst_limit,
  ]
}
