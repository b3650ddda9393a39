output "environment" {
  description = "Short name of the environment."
  value       = module.stack.environment
}

output "account_id" {
  description = "The AWS account the resources live in."
  value       = module.stack.account_id
}

output "region" {
  description = "The AWS region the resources live in."
  value       = module.stack.region
}

output "table_name" {
  description = "Name of the tenant table."
  value       = module.stack.table_name
}

output "data_table_name" {
  description = "Name of the table that holds all tenants' items."
  value       = module.stack.data_table_name
}

output "event_bus_name" {
  description = "Name of the bus that carries the tenant events."
  value       = module.stack.event_bus_name
}

output "event_bus_arn" {
  description = "ARN of the bus that carries the tenant events."
  value       = module.stack.event_bus_arn
}

output "event_archive_name" {
  description = "Name of the archive of the tenant events."
  value       = module.stack.event_archive_name
}

output "data_bucket_name" {
  description = "Name of the bucket that holds the pooled tenants' data."
  value       = module.stack.data_bucket_name
}

output "tenant_access_role_arn" {
  description = "ARN of the role through which a tenant's data is reached."
  value       = module.stack.tenant_access_role_arn
}

output "lambda_function_names" {
  description = "The functions' names, by service."
  value       = module.stack.lambda_function_names
}

output "function_role_names" {
  description = "The names of the functions' roles, by service."
  value       = module.stack.function_role_names
}

output "dead_letter_queue_urls" {
  description = "The URLs of the dead letter queues, by service. A function that is invoked synchronously has none."
  value       = module.stack.dead_letter_queue_urls
}

output "log_group_names" {
  description = "The names of the log groups, by service."
  value       = module.stack.log_group_names
}

output "stream_filter_patterns" {
  description = "The patterns, in JSON, of the stream records that ask for provisioning."
  value       = module.stack.stream_filter_patterns
}

output "event_patterns" {
  description = "The patterns, in JSON, of the events each service is woken by."
  value       = module.stack.event_patterns
}

output "problem_data_api_url" {
  description = "Where the API of the tenants' problems answers."
  value       = local.tenant_api_url
}

output "jwt_issuer" {
  description = "Who signs the clients' tokens."
  value       = module.stack.jwt_issuer
}

output "jwt_audience" {
  description = "For whom the clients' tokens are."
  value       = module.stack.jwt_audience
}

output "tenant_claim" {
  description = "The claim of the clients' tokens that names their tenant."
  value       = module.stack.tenant_claim
}

output "user_pool_id" {
  description = "Id of the Cognito pool that this root has made for the clients; null where the tokens come from elsewhere."
  value       = local.user_pool_id
}

output "user_pool_client_id" {
  description = "Id of that pool's client."
  value       = local.user_pool_client_id
}
