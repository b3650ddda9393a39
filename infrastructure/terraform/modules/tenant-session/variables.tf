variable "context" {
  description = "The output of modules/context."
  type        = object({ name_prefix = string, account_id = string, partition = string })
}

variable "trusted_role_arns" {
  description = "The roles of the functions that may start sessions. No other may."
  type        = list(string)

  validation {
    condition = length(var.trusted_role_arns) > 0 && alltrue([
      for arn in var.trusted_role_arns :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/tenkacloud/[a-z][a-z0-9]{1,11}/application-plane/tenkacloud-[a-z][a-z0-9]{1,11}-[a-z0-9-]{1,32}$", arn))
    ])
    error_message = "trusted_role_arns must be ARNs of application-plane roles, at least one, without wildcards, of services with names of at most 32 characters."
  }
}
