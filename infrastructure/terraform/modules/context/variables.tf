variable "environment" {
  description = "Short name of the environment. It is part of every name."
  type        = string

  # Not "data": that environment's names would begin like the data buckets of the others, and its
  # silo buckets would fall among them.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment)) && var.environment != "data"
    error_message = "environment must be 2 to 12 lower-case letters and digits, begin with a letter, and not be \"data\"."
  }
}

variable "profile" {
  description = "What kind of environment it is: protected, disposable or local."
  type        = string

  # protected   the data survives a deletion by mistake, alarms watch the stack, the canary runs
  # disposable  the same, but it can be destroyed together with its tenants' data
  # local       disposable, on an engine that stands for AWS: its bucket names are not global, it evaluates
  #             no alarms, and nobody would hear the canary; invoked, that runs
  validation {
    condition     = contains(["protected", "disposable", "local"], var.profile)
    error_message = "profile must be protected, disposable or local."
  }
}

variable "zip_path" {
  description = "Path of the functions' zips, in which {service} stands for the service's name."
  type        = string

  validation {
    condition     = strcontains(var.zip_path, "{service}")
    error_message = "zip_path must hold {service}: each service has a zip of its own."
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
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "drain_seconds" {
  description = "How long a tier move waits, once the tenant is read-only, for the requests that were under way."
  type        = number
  default     = 35
  nullable    = false

  # Locally the tests wait for it again and again, and send no requests that take that long.
  validation {
    condition     = var.drain_seconds >= (local.on_aws ? local.request_timeout_seconds : 1) && var.drain_seconds <= 900 && floor(var.drain_seconds) == var.drain_seconds
    error_message = "drain_seconds must be a whole number, at most 900, and on AWS at least 29: as long as a request may take."
  }
}

variable "retire_after_seconds" {
  description = "How long a place that a tier move left is kept: as long as a session or a presigned URL may reach it."
  type        = number
  default     = 3600
  nullable    = false

  # Sessions last an hour, and so do the URLs that are signed with them. Where data may go, nobody need wait.
  validation {
    condition     = var.retire_after_seconds >= (var.profile == "protected" ? 3600 : 1) && floor(var.retire_after_seconds) == var.retire_after_seconds
    error_message = "retire_after_seconds must be a whole number, and at least 3600 in a protected environment: as long as a session lasts."
  }
}

variable "verify_again_after_seconds" {
  description = "How long after its purge a tenant is looked for the second time, before its certificate is written."
  type        = number
  default     = 3600
  nullable    = false

  validation {
    condition     = var.verify_again_after_seconds >= (var.profile == "protected" ? 3600 : 1) && floor(var.verify_again_after_seconds) == var.verify_again_after_seconds
    error_message = "verify_again_after_seconds must be a whole number, and at least 3600 in a protected environment: as long as a session lasts."
  }
}
