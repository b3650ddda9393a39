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
