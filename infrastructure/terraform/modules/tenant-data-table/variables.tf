variable "table_name" {
  description = "Name of the table that holds all tenants' items."
  type        = string

  validation {
    condition     = can(regex("^TenkaCloud-[a-z][a-z0-9]{1,11}-tenant-data$", var.table_name))
    error_message = "table_name must be TenkaCloud-<environment>-tenant-data."
  }
}

variable "protect_data" {
  description = "Whether the table refuses to be deleted and can be restored to any second of the last 35 days."
  type        = bool
}
