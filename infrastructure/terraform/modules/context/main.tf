# What every module has to know of where it is deployed. It is looked up and validated here, once:
# the modules take the object as it is, each of them only the attributes that it needs.
data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  name_prefix = "tenkacloud-${var.environment}"
  on_aws      = var.profile != "local"

  # Bucket names are global: on AWS they end with the account.
  account_suffix  = local.on_aws ? "-${data.aws_caller_identity.current.account_id}" : ""
  role_arn_prefix = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:role/"

  request_timeout_seconds = 29 # API Gateway waits 30 seconds at most

  waits = {
    drain_seconds              = var.drain_seconds
    retire_after_seconds       = var.retire_after_seconds
    verify_again_after_seconds = var.verify_again_after_seconds
  }
}
