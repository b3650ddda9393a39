# What every module has to know of where it is deployed. It is looked up and validated here, once:
# the modules take the object as it is, each of them only the attributes that it needs.
data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  name_prefix = "tenkacloud-${var.environment}"
  on_aws      = var.profile != "local"
}
