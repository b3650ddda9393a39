variable "context" {
  description = "The output of modules/context."
  type        = object({ event_bus_name = string })
}

variable "archive_retention_days" {
  description = "How long events can be replayed, in days."
  type        = number

  # 0 would keep them for ever.
  validation {
    condition     = var.archive_retention_days >= 1 && floor(var.archive_retention_days) == var.archive_retention_days
    error_message = "archive_retention_days must be a whole number, at least 1."
  }
}
