variable "name" {
  description = "Name of the pool and of its client: tenkacloud-<environment>-<thing>."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}-[a-z][a-z0-9-]*[a-z0-9]$", var.name))
    error_message = "name must be tenkacloud-<environment>-<thing>."
  }
}
