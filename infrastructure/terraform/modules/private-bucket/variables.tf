variable "name" {
  description = "Name of the bucket."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens, without a hyphen at either end."
  }
}

variable "partition" {
  description = "The AWS partition, for the bucket's ARN."
  type        = string
}

variable "force_destroy" {
  description = "Whether the bucket may be destroyed with what it holds."
  type        = bool
}
