variable "context" {
  description = "The output of modules/context."
  type        = object({ partition = string, data_bucket_name = string })
}

variable "force_destroy" {
  description = "Whether the bucket may be destroyed with tenants' data in it."
  type        = bool
}

variable "noncurrent_version_expiration_days" {
  description = "How long an overwritten or deleted object can be brought back, in days."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_version_expiration_days >= 1 && floor(var.noncurrent_version_expiration_days) == var.noncurrent_version_expiration_days
    error_message = "noncurrent_version_expiration_days must be a whole number, at least 1."
  }
}
