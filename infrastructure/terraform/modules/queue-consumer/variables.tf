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
    service               = string
    plane                 = string
    description           = string
    policy_json           = string
    environment_variables = optional(map(string), {})
    timeout               = optional(number, 60)
    memory_size           = optional(number, 256)
  })

  # It would be settled silently which of the two counts.
  validation {
    condition     = !contains(keys(var.function.environment_variables), "QUEUE_URL")
    error_message = "function.environment_variables must not hold QUEUE_URL, which the module sets."
  }
}

variable "event" {
  description = "The events that the rule puts into the queue: the bus that carries them, their source, and their detail types."
  type        = object({ bus_name = string, source = string, detail_types = list(string) })

  validation {
    condition     = length(var.event.detail_types) > 0 && alltrue([for name in var.event.detail_types : can(regex("^([A-Z][a-z0-9]+)+$", name))])
    error_message = "event.detail_types must be words in capitals such as TenantExporting, at least one."
  }
}

variable "maximum_concurrency" {
  description = "How many messages are worked on at a time, at most."
  type        = number
  default     = 10

  # Lambda's own limits.
  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000 && floor(var.maximum_concurrency) == var.maximum_concurrency
    error_message = "maximum_concurrency must be a whole number from 2 to 1000."
  }
}
