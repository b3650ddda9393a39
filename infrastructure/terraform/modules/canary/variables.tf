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

variable "data_bucket_name" {
  description = "Name of the bucket that holds the pooled tenants' data."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-data-[a-z][a-z0-9]{1,11}(-[0-9]{12})?$", var.data_bucket_name))
    error_message = "data_bucket_name must be tenkacloud-data-<environment>, on AWS with the account id."
  }
}

variable "period_minutes" {
  description = "How often the canary is looked at and onboarded again, in minutes."
  type        = number

  # The alarm looks at three periods, and CloudWatch at no more than a day.
  validation {
    condition     = var.period_minutes >= 1 && var.period_minutes <= 480 && floor(var.period_minutes) == var.period_minutes
    error_message = "period_minutes must be a whole number from 1 to 480."
  }
}

variable "scheduled" {
  description = "Whether it runs by itself. If not, it runs when it is invoked."
  type        = bool
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
