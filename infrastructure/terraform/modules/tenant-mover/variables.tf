variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string, data_table_name = string, data_bucket_name = string, exports_bucket_name = string

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
  description = "What makes and removes tenants' resources: an output of modules/tenant-resources."
  type        = string

  validation {
    condition     = can(jsondecode(var.resources_policy_json).Statement)
    error_message = "resources_policy_json must be a policy document."
  }
}

variable "multipart_threshold_bytes" {
  description = "Size from which an object is copied in parts, in bytes."
  type        = number
  default     = 5368709120
  nullable    = false

  # S3 copies 5 GiB in one request at most, and takes parts of 5 MiB or more.
  validation {
    condition     = var.multipart_threshold_bytes >= 5242880 && var.multipart_threshold_bytes <= 5368709120 && floor(var.multipart_threshold_bytes) == var.multipart_threshold_bytes
    error_message = "multipart_threshold_bytes must be a whole number from 5242880 (5 MiB) to 5368709120 (5 GiB)."
  }
}
