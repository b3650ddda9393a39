output "table_name" {
  description = "Name of the tenant table."
  value       = module.tenant_table.name
}

output "event_bus_name" {
  description = "Name of the bus that carries the tenant events."
  value       = module.event_bus.name
}

output "event_bus_arn" {
  description = "ARN of the bus that carries the tenant events."
  value       = module.event_bus.arn
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
  value       = { for name, service in local.services : name => service.function.name }
}

output "dead_letter_queue_urls" {
  description = "The URLs of the dead-letter queues, by service. A function that is invoked synchronously has none."
  value       = { for name, service in local.services : name => service.function.dead_letter_queue_url if service.function.dead_letter_queue_name != null }
}

output "deployment" {
  description = "All else that operators' tools read."
  value = {
    environment            = local.context.environment
    account_id             = local.context.account_id
    region                 = local.context.region
    data_table_name        = module.tenant_data_table.name
    event_archive_name     = module.event_bus.archive_name
    function_role_names    = { for name, service in local.services : name => service.function.role_name }
    log_group_names        = { for name, service in local.services : name => service.function.log_group_name }
    queue_urls             = { for name, service in local.services : name => service.function.queue_url if lookup(service.function, "queue_url", null) != null }
    exports_bucket_name    = module.exports_bucket.name
    stream_filter_patterns = module.provisioning.stream_filter_patterns

    # The patterns, in JSON, of the events that services are woken by, and the settings of services that have some.
    event_patterns = { for name, service in local.services : name => service.function.event_pattern if lookup(service.function, "event_rule_name", null) != null }
    settings       = { for name, service in local.services : name => service.settings if can(service.settings) }

    # Who does maintenance on tenants' data, and how long what takes time in a tenant's life may or must take.
    tenant_maintenance_role_arn = module.tenant_maintenance.role_arn
    lifecycle = merge(local.context.waits, module.tenant_mover.settings, {
      retention_days_min     = var.retention_days_min
      retention_days_default = var.retention_days_default
      export_retention_days  = var.export_retention_days
    })

    # The tokens that the API takes, and where it answers. A pool of users is here where the root makes one.
    problem_data_api_url = module.tenant_api.endpoint
    jwt_issuer           = var.jwt_issuer
    jwt_audience         = var.jwt_audience
    tenant_claim         = var.tenant_claim
    user_pool_id         = null
    user_pool_client_id  = null
  }
}

output "tenant_api_id" {
  description = "Id of the HTTP API that the tenants' clients call."
  value       = module.tenant_api.api.id
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = flatten(module.monitoring[*].alarm_names)
}
