variable "environment" {
  description = "Short name of the environment. It is part of every name."
  type        = string

  # "data" is refused: that environment's names would begin like the data buckets of the
  # others, and its silo buckets would fall among them.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment)) && var.environment != "data"
    error_message = "environment must be 2 to 12 lower-case letters and digits, begin with a letter, and not be \"data\"."
  }
}

variable "name_prefix" {
  description = "What the names of this environment begin with: tenkacloud-<environment>."
  type        = string

  validation {
    condition     = var.name_prefix == "tenkacloud-${var.environment}"
    error_message = "name_prefix must be tenkacloud-<environment>."
  }
}

variable "data_bucket_name" {
  description = "Name of the bucket that holds the pooled tenants' data."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-data-[a-z][a-z0-9]{1,11}(-[0-9]{12})?$", var.data_bucket_name))
    error_message = "data_bucket_name must be tenkacloud-data-<environment>, with or without the account id appended."
  }
}

variable "account_id" {
  description = "The AWS account the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "partition" {
  description = "The AWS partition the resources live in."
  type        = string

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition must be aws, aws-cn or aws-us-gov."
  }
}

variable "region" {
  description = "The AWS region the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region name such as ap-northeast-1."
  }
}

variable "table_name" {
  description = "Name of the tenant table."
  type        = string

  validation {
    condition     = can(regex("^TenkaCloud-[a-z][a-z0-9]{1,11}$", var.table_name))
    error_message = "table_name must be TenkaCloud-<environment>."
  }
}

variable "data_table_name" {
  description = "Name of the table that holds all tenants' items."
  type        = string

  validation {
    condition     = can(regex("^TenkaCloud-[a-z][a-z0-9]{1,11}-tenant-data$", var.data_table_name))
    error_message = "data_table_name must be TenkaCloud-<environment>-tenant-data."
  }
}

variable "trusted_role_arns" {
  description = "The roles of the functions that act for tenants. No other may start a session."
  type        = list(string)

  validation {
    condition = length(var.trusted_role_arns) > 0 && alltrue([
      for arn in var.trusted_role_arns :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/tenkacloud/[a-z][a-z0-9]{1,11}/application-plane/tenkacloud-[a-z][a-z0-9]{1,11}-[a-z0-9-]{1,32}$", arn))
    ])
    error_message = "trusted_role_arns must be ARNs of application-plane roles, at least one, without wildcards, of services with names of at most 32 characters."
  }
}
