variable "environment" {
  description = "Short name of the environment. It is part of every name."
  type        = string

  # "data" is refused: that environment's names would begin like the data buckets of the
  # others, and its silo buckets would fall among them.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment)) && var.environment != "data"
    error_message = "environment must be 2 to 12 lower-case letters and digits, begin with a letter, and not be \"data\"."
  }
}

variable "name_prefix" {
  description = "What the names of this environment begin with: tenkacloud-<environment>."
  type        = string

  validation {
    condition     = var.name_prefix == "tenkacloud-${var.environment}"
    error_message = "name_prefix must be tenkacloud-<environment>."
  }
}

variable "zip_path" {
  description = "Path of the function's zip."
  type        = string

  validation {
    condition     = length(var.zip_path) > 0
    error_message = "zip_path must not be empty."
  }
}

variable "table_name" {
  description = "Name of the tenant table."
  type        = string

  validation {
    condition     = can(regex("^TenkaCloud-[a-z][a-z0-9]{1,11}$", var.table_name))
    error_message = "table_name must be TenkaCloud-<environment>."
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

variable "stuck_after_seconds" {
  description = "Age from which an attempt without a result counts as stuck. Longer than any attempt takes."
  type        = number

  validation {
    condition     = var.stuck_after_seconds >= 420 && var.stuck_after_seconds <= 86400 && floor(var.stuck_after_seconds) == var.stuck_after_seconds
    error_message = "stuck_after_seconds must be a whole number from 420 to 86400: Lambda tries for six minutes by itself."
  }
}

variable "resumptions_max" {
  description = "How often a stuck tenant gets a new attempt until it is FAILED."
  type        = number

  validation {
    condition     = var.resumptions_max >= 1 && var.resumptions_max <= 100 && floor(var.resumptions_max) == var.resumptions_max
    error_message = "resumptions_max must be a whole number from 1 to 100."
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

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number

  # Only the values CloudWatch Logs knows. 0, which would keep logs for ever, is not one of them.
  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days must be a retention that CloudWatch Logs offers, such as 14, 30 or 365."
  }
}

variable "log_level" {
  description = "The lowest level that is logged."
  type        = string

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "account_id" {
  description = "The AWS account the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "The AWS region the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region name such as ap-northeast-1."
  }
}

variable "partition" {
  description = "The AWS partition the resources live in."
  type        = string

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition must be aws, aws-cn or aws-us-gov."
  }
}
