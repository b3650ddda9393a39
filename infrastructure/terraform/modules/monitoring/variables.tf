variable "context" {
  description = "The output of modules/context."
  type        = object({ name_prefix = string, region = string, event_bus_name = string })
}

variable "services" {
  description = "Every service: its function, and what its module says is to be shown and watched. One without a dead-letter queue, a rule or a queue that it works through has none of their alarms."
  type = map(object({
    function = object({
      name                   = string
      dead_letter_queue_name = optional(string)
      event_rule_name        = optional(string)
      queue_name             = optional(string)
    })
    monitoring = optional(object({
      # Whether an error or a throttle of the function is an alarm.
      watch_errors = optional(bool, true)

      # Its place among the steps of an onboarding, whose durations are shown; null, if it is none.
      flow_step = optional(number)

      # Its counts in the dashboard's funnel, in the order of their positions over all services.
      funnel = optional(list(object({ position = number, label = string, metric = string })), [])

      # Charts of its own, in the order of their positions; those of all services stand at 10, 30, 50, 55, 60 and 80.
      widgets = optional(list(object({
        position = number
        title    = string
        metrics = list(object({
          namespace = optional(string, "TenkaCloud/Tenants")
          metric    = string
          label     = string
          statistic = string
          axis      = optional(string, "left")
        }))
      })), [])

      # By name. An alarm is raised above its threshold, or below it; null stands for failures_per_minute.
      alarms = optional(map(object({
        description    = string
        namespace      = optional(string, "TenkaCloud/Tenants")
        metric         = string
        statistic      = string
        threshold      = number
        below          = optional(bool, false)
        periods        = number
        period_minutes = optional(number, 1)
        missing        = optional(string, "notBreaching") # no tenants, no metric: that is no alarm
      })), {})
    }), {})
  }))

  validation {
    condition     = anytrue([for service in var.services : service.function.event_rule_name != null])
    error_message = "services must hold one that an event wakes: the alarm of lost events needs a rule."
  }

  # Merged under their names, the last would win.
  validation {
    condition     = length(distinct(flatten([for service in var.services : keys(service.monitoring.alarms)]))) == length(flatten([for service in var.services : keys(service.monitoring.alarms)]))
    error_message = "services must not hold two alarms of one name."
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
