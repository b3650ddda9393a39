# What has no validation here is handed on to the module that validates it, and that has its default.

variable "environment" {
  description = "Short name of the environment. It is part of every name."
  type        = string
}

variable "profile" {
  description = "What kind of environment it is: protected, disposable or local, as modules/context says."
  type        = string
  default     = "protected"
}

variable "zip_path" {
  description = "Path of the functions' zips, in which {service} stands for the service's name."
  type        = string
}

variable "archive_retention_days" {
  description = "How long tenant events can be replayed, in days."
  type        = number
}

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number
}

variable "log_level" {
  description = "The lowest level that is logged; INFO by default."
  type        = string
  default     = null
}

variable "stuck_after_seconds" {
  description = "Age from which an attempt without a result counts as stuck; 900 by default."
  type        = number
  default     = null
}

variable "automatic_retries_max" {
  description = "How often a stuck tenant gets a new attempt until it is FAILED; 5 by default."
  type        = number
  default     = null
}

variable "sweep_period_minutes" {
  description = "How often stuck tenants are looked for; every minute by default."
  type        = number
  default     = null
}

variable "canary_period_minutes" {
  description = "How often the canary tenant is onboarded again; every 15 minutes by default."
  type        = number
  default     = null
}

variable "drain_seconds" {
  description = "How long a tier move waits, once the tenant is read-only, for the requests that were under way; 35 by default."
  type        = number
  default     = null
}

variable "retire_after_seconds" {
  description = "How long a place that a tier move left is kept; 3600 by default."
  type        = number
  default     = null
}

variable "verify_again_after_seconds" {
  description = "How long after its purge a tenant is looked for the second time; 3600 by default."
  type        = number
  default     = null
}

variable "retention_days_min" {
  description = "How long a tenant that leaves can be brought back, in days, at least."
  type        = number
  default     = 7

  validation {
    condition     = var.retention_days_min >= 0 && var.retention_days_min <= 400 && floor(var.retention_days_min) == var.retention_days_min
    error_message = "retention_days_min must be a whole number from 0 to 400."
  }

  # Where data is protected, nobody may purge a tenant on the day of a mistake.
  validation {
    condition     = var.retention_days_min >= 1 || var.profile != "protected"
    error_message = "retention_days_min must be at least 1 in a protected environment."
  }
}

variable "retention_days_default" {
  description = "How long a tenant that leaves can be brought back, in days, where nothing is said."
  type        = number
  default     = 30

  validation {
    condition     = var.retention_days_default >= var.retention_days_min && var.retention_days_default <= 400 && floor(var.retention_days_default) == var.retention_days_default
    error_message = "retention_days_default must be a whole number from retention_days_min to 400."
  }
}

variable "export_retention_days" {
  description = "How long an export can be fetched, in days."
  type        = number
  default     = 7
}

variable "multipart_threshold_bytes" {
  description = "Size from which an object is copied in parts, in bytes; 5 GiB by default, the most that S3 copies in one request."
  type        = number
  default     = null
}

variable "jwt_issuer" {
  description = "Who signs the clients' tokens: the URL that stands in their iss claim, of any OpenID Connect provider."
  type        = string
}

variable "jwt_audience" {
  description = "For whom the tokens are: one of these must be in their aud or client_id claim."
  type        = list(string)
}

variable "tenant_claim" {
  description = "The claim of the clients' tokens that names their tenant. Users must not be able to write it."
  type        = string
  default     = "custom:tenantId"
}

variable "alarm_topic_arns" {
  description = "SNS topics that are told when an alarm begins and ends. Without one, alarms only show."
  type        = list(string)
  default     = []
}
