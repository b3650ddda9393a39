provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "TenkaCloud"
      Environment = "prod"
      ManagedBy   = "Terraform"
    }
  }
}

locals {
  tenant_api_url      = module.stack.tenant_api_endpoint
  user_pool_id        = null
  user_pool_client_id = null
}

module "stack" {
  source = "../../modules/stack"

  environment                 = "prod"
  artifacts_dir               = "${path.root}/../../../../build/zips"
  protect_data                = true
  force_destroy               = false
  append_account_id_to_bucket = true
  archive_retention_days      = 365
  log_retention_days          = 365
  log_level                   = "INFO"
  jwt_issuer                  = var.jwt_issuer
  jwt_audience                = var.jwt_audience
  tenant_claim                = var.tenant_claim
  alarm_topic_arns            = var.alarm_topic_arns
}
