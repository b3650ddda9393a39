output "environment" {
  description = "Short name of the environment."
  value       = var.environment
}

output "account_id" {
  description = "The AWS account the resources live in."
  value       = local.account_id
}

output "region" {
  description = "The AWS region the resources live in."
  value       = local.region
}

output "table_name" {
  description = "Name of the tenant table."
  value       = module.tenant_table.name
}

output "data_table_name" {
  description = "Name of the table that holds all tenants' items."
  value       = module.tenant_data_table.name
}

output "event_bus_name" {
  description = "Name of the bus that carries the tenant events."
  value       = module.event_bus.name
}

output "event_bus_arn" {
  description = "ARN of the bus that carries the tenant events."
  value       = module.event_bus.arn
}

output "event_archive_name" {
  description = "Name of the archive of the tenant events."
  value       = module.event_bus.archive_name
}

output "data_bucket_name" {
  description = "Name of the bucket that holds the pooled tenants' data."
  value       = module.data_bucket.name
}

output "tenant_access_role_arn" {
  description = "ARN of the role through which a tenant's data is reached."
  value       = module.tenant_access.role_arn
}

output "lambda_function_names" {
  description = "The functions' names, by service."
  value       = { for service, function in local.functions : service => function.function_name }
}

output "function_role_names" {
  description = "The names of the functions' roles, by service."
  value       = { for service, function in local.functions : service => function.role_name }
}

output "dead_letter_queue_urls" {
  description = "The URLs of the dead letter queues, by service. A function that is invoked synchronously has none."
  value       = { for service in local.queued : service => local.functions[service].dead_letter_queue_url }
}

output "log_group_names" {
  description = "The names of the log groups, by service."
  value       = { for service, function in local.functions : service => function.log_group_name }
}

output "stream_filter_patterns" {
  description = "The patterns, in JSON, of the stream records that ask for provisioning."
  value       = module.provisioning.stream_filter_patterns
}

output "event_patterns" {
  description = "The patterns, in JSON, of the events each service is woken by."
  value = {
    tenant-provisioner      = module.tenant_provisioner.event_pattern
    provisioning-completion = module.provisioning_completion.event_pattern
  }
}

output "tenant_api_id" {
  description = "Id of the HTTP API that the tenants' clients call."
  value       = module.tenant_api.id
}

output "tenant_api_endpoint" {
  description = "URL of that API on AWS."
  value       = module.tenant_api.endpoint
}

output "jwt_issuer" {
  description = "Who signs the clients' tokens."
  value       = var.jwt_issuer
}

output "jwt_audience" {
  description = "For whom the clients' tokens are."
  value       = var.jwt_audience
}

output "tenant_claim" {
  description = "The claim of the clients' tokens that names their tenant."
  value       = var.tenant_claim
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = flatten(module.monitoring[*].alarm_names)
}
