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

variable "artifacts_dir" {
  description = "Folder with the functions' zips: one per service, named after it."
  type        = string

  validation {
    condition     = length(var.artifacts_dir) > 0 && !endswith(var.artifacts_dir, "/")
    error_message = "artifacts_dir must be a folder, without a slash at the end."
  }
}

variable "protect_data" {
  description = "Whether the tenant table refuses to be deleted and can be restored to any second of the last 35 days."
  type        = bool
}

variable "force_destroy" {
  description = "Whether the data bucket may be destroyed with tenants' data in it."
  type        = bool

  validation {
    condition     = !(var.force_destroy && var.protect_data)
    error_message = "force_destroy and protect_data contradict each other."
  }
}

variable "append_account_id_to_bucket" {
  description = "Whether the data bucket's name ends in the account id. It must on AWS, where bucket names are global."
  type        = bool
}

variable "archive_retention_days" {
  description = "How long tenant events can be replayed, in days."
  type        = number

  # 0 would keep them for ever.
  validation {
    condition     = var.archive_retention_days >= 1 && floor(var.archive_retention_days) == var.archive_retention_days
    error_message = "archive_retention_days must be a whole number, at least 1."
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

variable "stuck_after_seconds" {
  description = "Age from which an attempt without a result counts as stuck. Longer than any attempt takes."
  type        = number
  default     = 900

  validation {
    condition     = var.stuck_after_seconds >= 420 && var.stuck_after_seconds <= 86400 && floor(var.stuck_after_seconds) == var.stuck_after_seconds
    error_message = "stuck_after_seconds must be a whole number from 420 to 86400: Lambda tries for six minutes by itself."
  }
}

variable "resumptions_max" {
  description = "How often a stuck tenant gets a new attempt until it is FAILED."
  type        = number
  default     = 5

  validation {
    condition     = var.resumptions_max >= 1 && var.resumptions_max <= 100 && floor(var.resumptions_max) == var.resumptions_max
    error_message = "resumptions_max must be a whole number from 1 to 100."
  }
}

variable "canary_scheduled" {
  description = "Whether the canary tenant is onboarded again and again. If not, only when its function is invoked."
  type        = bool
  default     = true

  validation {
    condition     = var.canary_scheduled || !var.monitor
    error_message = "Without a schedule, the alarm of the canary would never end: set monitor to false, too."
  }
}

variable "canary_period_minutes" {
  description = "How often that is, in minutes."
  type        = number
  default     = 15

  # The alarm looks at three periods, and CloudWatch at no more than a day.
  validation {
    condition     = var.canary_period_minutes >= 1 && var.canary_period_minutes <= 480 && floor(var.canary_period_minutes) == var.canary_period_minutes
    error_message = "canary_period_minutes must be a whole number from 1 to 480."
  }
}

variable "jwt_issuer" {
  description = "Who signs the clients' tokens: the URL that stands in their iss claim, of any OpenID Connect provider."
  type        = string

  validation {
    condition     = startswith(var.jwt_issuer, "https://")
    error_message = "jwt_issuer must be an https:// URL."
  }
}

variable "jwt_audience" {
  description = "For whom the tokens are: one of these must be in their aud or client_id claim."
  type        = list(string)

  # Without one, API Gateway would take every token of the issuer, whatever it was made for.
  validation {
    condition     = length(var.jwt_audience) > 0 && alltrue([for audience in var.jwt_audience : length(audience) > 0])
    error_message = "jwt_audience must name at least one audience, and no empty one."
  }
}

variable "tenant_claim" {
  description = "The claim of the clients' tokens that names their tenant. Users must not be able to write it."
  type        = string
  default     = "custom:tenantId"

  validation {
    condition     = can(regex("^[^[:space:][:cntrl:]]{1,128}$", var.tenant_claim))
    error_message = "tenant_claim must be 1 to 128 characters without blanks."
  }
}

variable "monitor" {
  description = "Whether there are alarms and a dashboard."
  type        = bool
  default     = true
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
