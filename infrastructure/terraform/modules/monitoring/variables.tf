variable "name_prefix" {
  description = "What the names of this environment begin with: tenkacloud-<environment>."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}$", var.name_prefix))
    error_message = "name_prefix must be tenkacloud-<environment>."
  }
}

variable "function_names" {
  description = "The functions' names, by service."
  type        = map(string)

  validation {
    condition = alltrue([
      for service in ["provisioning", "tenant-provisioner", "provisioning-completion", "reconciler", "canary"] :
      contains(keys(var.function_names), service)
    ])
    error_message = "function_names must name the functions of the flow, the reconciler and the canary."
  }
}

variable "dead_letter_queue_names" {
  description = "The names of the dead letter queues, by service."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.dead_letter_queue_names), keys(var.function_names))) == 0
    error_message = "dead_letter_queue_names must be those of services that function_names has."
  }
}

variable "event_rule_names" {
  description = "The names of the bus's rules that have a dead letter queue."
  type        = list(string)

  validation {
    condition     = length(var.event_rule_names) > 0
    error_message = "event_rule_names must name a rule."
  }
}

variable "event_bus_name" {
  description = "Name of the bus that carries the tenant events."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}-tenant-events$", var.event_bus_name))
    error_message = "event_bus_name must be tenkacloud-<environment>-tenant-events."
  }
}

variable "canary_period_minutes" {
  description = "How often the canary runs, in minutes."
  type        = number

  # Three periods: CloudWatch looks at no more than a day.
  validation {
    condition     = var.canary_period_minutes >= 1 && var.canary_period_minutes <= 480 && floor(var.canary_period_minutes) == var.canary_period_minutes
    error_message = "canary_period_minutes must be a whole number from 1 to 480."
  }
}

variable "stuck_after_seconds" {
  description = "Age from which an attempt without a result counts as stuck."
  type        = number

  validation {
    condition     = var.stuck_after_seconds >= 60
    error_message = "stuck_after_seconds must be at least 60."
  }
}

variable "failures_per_minute" {
  description = "Tenants that may fail in a minute before somebody is told."
  type        = number
  default     = 5

  validation {
    condition     = var.failures_per_minute >= 0 && floor(var.failures_per_minute) == var.failures_per_minute
    error_message = "failures_per_minute must be a whole number, not negative."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that are told when an alarm begins and ends. Without one, alarms only show."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.alarm_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+$", arn))])
    error_message = "alarm_topic_arns must be ARNs of SNS topics."
  }
}

variable "region" {
  description = "The AWS region that the dashboard shows."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region name such as ap-northeast-1."
  }
}
