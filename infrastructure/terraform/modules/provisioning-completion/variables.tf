variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string

    waits = object({ drain_seconds = number, retire_after_seconds = number, verify_again_after_seconds = number })
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
