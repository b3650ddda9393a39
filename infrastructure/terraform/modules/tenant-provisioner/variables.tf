variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string, data_bucket_name = string

    tenant_access_role_arn = string, tenant_maintenance_role_arn = string
  })
}

variable "event_bus_name" {
  description = "Name of the bus that carries the tenant events."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}-tenant-events$", var.event_bus_name))
    error_message = "event_bus_name must be tenkacloud-<environment>-tenant-events."
  }
}

variable "resources_policy_json" {
  description = "What makes tenants' resources: an output of modules/tenant-resources."
  type        = string

  validation {
    condition     = can(jsondecode(var.resources_policy_json).Statement)
    error_message = "resources_policy_json must be a policy document."
  }
}
