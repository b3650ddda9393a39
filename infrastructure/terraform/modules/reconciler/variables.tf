variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string, event_bus_name = string
  })
}

variable "stuck_after_seconds" {
  description = "Age from which an attempt without a result counts as stuck. Longer than any attempt takes."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.stuck_after_seconds >= 420 && var.stuck_after_seconds <= 86400 && floor(var.stuck_after_seconds) == var.stuck_after_seconds
    error_message = "stuck_after_seconds must be a whole number from 420 to 86400: Lambda tries for six minutes by itself."
  }
}

variable "automatic_retries_max" {
  description = "How often a stuck tenant gets a new attempt until it is FAILED."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.automatic_retries_max >= 1 && var.automatic_retries_max <= 100 && floor(var.automatic_retries_max) == var.automatic_retries_max
    error_message = "automatic_retries_max must be a whole number from 1 to 100."
  }
}

variable "period_minutes" {
  description = "How often it looks for stuck tenants by itself, in minutes."
  type        = number
  default     = 1
  nullable    = false

  # Rarer than that, a tenant would be stuck for longer than stuck_after_seconds may say.
  validation {
    condition     = var.period_minutes >= 1 && var.period_minutes <= 60 && floor(var.period_minutes) == var.period_minutes
    error_message = "period_minutes must be a whole number from 1 to 60."
  }
}

variable "reserved_concurrent_executions" {
  description = "1: one sweep at a time. -1 only for an account that has no 101 executions to reserve from."
  type        = number
  default     = 1

  validation {
    condition     = contains([-1, 1], var.reserved_concurrent_executions)
    error_message = "reserved_concurrent_executions must be 1 or -1."
  }
}

variable "export_retention_days" {
  description = "How long the exports that are made of tenants that leave can be fetched, in days."
  type        = number
}
