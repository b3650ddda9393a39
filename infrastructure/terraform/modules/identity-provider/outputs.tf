output "user_pool_id" {
  description = "Id of the pool."
  value       = aws_cognito_user_pool.this.id
}

output "user_pool_client_id" {
  description = "Id of the client through which users sign in. It is the audience of their id tokens."
  value       = aws_cognito_user_pool_client.this.id
}

output "issuer" {
  description = "The iss claim of the pool's tokens."
  value       = "https://cognito-idp.${data.aws_region.current.name}.amazonaws.com/${aws_cognito_user_pool.this.id}"
}

output "tenant_claim" {
  description = "The claim of an id token that names the user's tenant."
  value       = "custom:tenantId"
}
