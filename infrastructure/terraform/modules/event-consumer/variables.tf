variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
  })
}

variable "function" {
  description = "The function, as modules/lambda-function describes and validates it."
  type = object({
    service                        = string
    plane                          = string
    description                    = string
    policy_json                    = string
    environment_variables          = optional(map(string), {})
    timeout                        = optional(number, 60)
    memory_size                    = optional(number, 256)
    reserved_concurrent_executions = optional(number, -1)
  })
}

variable "event" {
  description = "The events that wake the function: the bus that carries them, their source, and their detail types. The rule is named after the first, which therefore stays the first."
  type        = object({ bus_name = string, source = string, detail_types = list(string) })
  default     = null

  validation {
    condition     = (var.event == null) != (var.schedule == null)
    error_message = "A function is woken either by events or by a schedule."
  }

  validation {
    condition     = var.event == null || try(length(var.event.detail_types) > 0 && alltrue([for name in var.event.detail_types : can(regex("^([A-Z][a-z0-9]+)+$", name))]), false)
    error_message = "event.detail_types must be words in capitals such as TenantOnboarding, at least one: the rule is named after the first."
  }
}

variable "schedule" {
  description = "How often the function is woken, and what for. A schedule that is not enabled is there, and does nothing."
  type        = object({ description = string, period_minutes = number, enabled = optional(bool, true) })
  default     = null

  # EventBridge's shortest period is a minute. A day is CloudWatch's longest look back.
  validation {
    condition     = var.schedule == null || try(var.schedule.period_minutes >= 1 && var.schedule.period_minutes <= 1440 && floor(var.schedule.period_minutes) == var.schedule.period_minutes, false)
    error_message = "schedule.period_minutes must be a whole number from 1 to 1440."
  }
}
