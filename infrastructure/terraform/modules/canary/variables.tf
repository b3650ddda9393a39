variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string, data_bucket_name = string
  })
}

variable "period_minutes" {
  description = "How often the canary is looked at and onboarded again, in minutes."
  type        = number
  default     = 15
  nullable    = false

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
