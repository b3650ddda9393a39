locals {
  routes = toset([
    "GET /problems",
    "GET /problems/{problemId}",
    "PUT /problems/{problemId}",
    "DELETE /problems/{problemId}",
    "GET /problems/{problemId}/files",
    "GET /problems/{problemId}/files/{name+}",
    "PUT /problems/{problemId}/files/{name+}",
    "DELETE /problems/{problemId}/files/{name+}",
  ])
}

data "aws_iam_policy_document" "this" {
  # All that the function may do: whatever it reaches of a tenant, it reaches as that tenant.
  statement {
    sid = "ActForTenants"
    actions = [
      "sts:AssumeRole",
      "sts:SetSourceIdentity",
      "sts:TagSession",
    ]
    resources = [var.context.tenant_access_role_arn]
  }
}

module "function" {
  source = "../lambda-function"

  context     = var.context
  service     = "problem-data"
  plane       = "application"
  description = "Keeps the problems of each tenant's competitions, and their files"
  policy_json = data.aws_iam_policy_document.this.json
  timeout     = var.context.request_timeout_seconds
  memory_size = 512
  synchronous = true

  environment_variables = {
    TABLE_NAME             = var.context.table_name
    DATA_TABLE_NAME        = var.context.data_table_name
    DATA_BUCKET_NAME       = var.context.data_bucket_name
    TENANT_ACCESS_ROLE_ARN = var.context.tenant_access_role_arn
    TENANT_CLAIM           = var.tenant_claim
    ACCOUNT_ID             = var.context.account_id
  }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = var.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.function.function.arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id             = var.api.id
  route_key          = each.value
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "JWT"
  authorizer_id      = var.api.authorizer_id
}

resource "aws_lambda_permission" "api" {
  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = module.function.function.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "arn:${var.context.partition}:execute-api:${var.context.region}:${var.context.account_id}:${var.api.id}/*/*/problems*"
}
