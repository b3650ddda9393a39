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

module "function" {
  source = "../lambda-function"

  function_name      = "${var.name_prefix}-problem-data"
  description        = "Keeps the problems of each tenant's competitions, and their files"
  zip_path           = var.zip_path
  handler            = "problem_data.handler.handler"
  policy_json        = data.aws_iam_policy_document.this.json
  role_path          = "/tenkacloud/${var.environment}/application-plane/"
  timeout            = 29 # API Gateway waits 30 seconds at most
  memory_size        = 512
  synchronous        = true
  log_retention_days = var.log_retention_days
  log_level          = var.log_level
  account_id         = var.account_id
  region             = var.region
  partition          = var.partition

  environment_variables = {
    TABLE_NAME             = var.table_name
    DATA_TABLE_NAME        = var.data_table_name
    DATA_BUCKET_NAME       = var.data_bucket_name
    TENANT_ACCESS_ROLE_ARN = var.tenant_access_role_arn
    TENANT_CLAIM           = var.tenant_claim
    ACCOUNT_ID             = var.account_id
  }
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = var.api_id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.function.function_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.routes

  api_id             = var.api_id
  route_key          = each.value
  target             = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type = "JWT"
  authorizer_id      = var.authorizer_id
}

resource "aws_lambda_permission" "api" {
  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = module.function.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.api_execution_arn}/*/*/problems*"
}
