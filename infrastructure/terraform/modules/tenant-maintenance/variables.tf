variable "context" {
  description = "The output of modules/context."
  type        = object({ name_prefix = string, account_id = string, region = string, partition = string, data_table_name = string, data_bucket_name = string, exports_bucket_name = string })
}

variable "trusted_role_arns" {
  description = "The roles of the functions that move, export and delete tenants' data. No other may start a session."
  type        = list(string)
}
