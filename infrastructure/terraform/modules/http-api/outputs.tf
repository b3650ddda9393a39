# Ids only: a service's routes refer to these, and the plan has to show to which API and authorizer.
output "api" {
  description = "Id of the API, and id of its JWT authorizer, for the routes."
  value = {
    id            = aws_apigatewayv2_api.this.id
    authorizer_id = aws_apigatewayv2_authorizer.jwt.id
  }
}

output "endpoint" {
  description = "URL of the API on AWS."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "access_log_format" {
  description = "What is logged of each request, in JSON."
  value       = aws_apigatewayv2_stage.default.access_log_settings[0].format
}
