provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "TenkaCloud"
      Environment = "staging"
      ManagedBy   = "Terraform"
    }
  }
}

module "stack" {
  source = "../../modules/stack"

  environment            = "staging"
  zip_path               = "${path.root}/../../../../build/zips/{service}.zip"
  archive_retention_days = 90
  log_retention_days     = 90
  jwt_issuer             = var.jwt_issuer
  jwt_audience           = var.jwt_audience
  tenant_claim           = var.tenant_claim
  alarm_topic_arns       = var.alarm_topic_arns
}

locals {
  deployment = module.stack.deployment
}
