output "id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "endpoint" {
  description = "URL of the API on AWS."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "execution_arn" {
  description = "What the ARNs of the API's routes begin with."
  value       = "arn:${var.partition}:execute-api:${var.region}:${var.account_id}:${aws_apigatewayv2_api.this.id}"
}

output "authorizer_id" {
  description = "Id of the JWT authorizer, for the routes."
  value       = aws_apigatewayv2_authorizer.jwt.id
}

output "access_log_format" {
  description = "What is logged of each request, in JSON."
  value       = aws_apigatewayv2_stage.default.access_log_settings[0].format
}
