variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
    table_name  = string, data_table_name = string, data_bucket_name = string, tenant_access_role_arn = string

    request_timeout_seconds = number
  })
}

variable "api" {
  description = "The HTTP API that the routes are added to, and its JWT authorizer: their ids."
  type        = object({ id = string, authorizer_id = string })

  validation {
    condition     = can(regex("^[a-z0-9]+$", var.api.id)) && length(var.api.authorizer_id) > 0
    error_message = "api must hold the id of an API and the id of its authorizer."
  }
}

variable "tenant_claim" {
  description = "The claim of the clients' tokens that names their tenant. Users must not be able to write it."
  type        = string

  validation {
    condition     = can(regex("^[^[:space:][:cntrl:]]{1,128}$", var.tenant_claim))
    error_message = "tenant_claim must be 1 to 128 characters without blanks."
  }
}
