variable "context" {
  description = "The output of modules/context."
  type        = object({ partition = string, exports_bucket_name = string })
}

variable "force_destroy" {
  description = "Whether the bucket may be destroyed with exports in it."
  type        = bool
}

variable "retention_days" {
  description = "How long an export is kept, in days. S3 removes it at the midnight after (UTC)."
  type        = number

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 365 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be a whole number from 1 to 365."
  }
}
