variable "context" {
  description = "The output of modules/context."
  type        = object({ name_prefix = string, account_id = string, partition = string })
}

variable "trusted_role_arns" {
  description = "The roles of the functions that do maintenance on tenants' data. No other may start a session."
  type        = list(string)
}
