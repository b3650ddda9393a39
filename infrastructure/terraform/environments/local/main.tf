# Nothing here reaches AWS: the credentials are the engine's, and every service goes to it.
provider "aws" {
  region                      = var.region
  access_key                  = "test"
  secret_key                  = "test"
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  default_tags {
    tags = {
      Project     = "TenkaCloud"
      Environment = "local"
      ManagedBy   = "Terraform"
    }
  }

  endpoints {
    apigatewayv2 = var.aws_endpoint_url
    cognitoidp   = var.aws_endpoint_url
    dynamodb     = var.aws_endpoint_url
    events       = var.aws_endpoint_url
    iam          = var.aws_endpoint_url
    lambda       = var.aws_endpoint_url
    logs         = var.aws_endpoint_url
    s3           = var.aws_endpoint_url
    sqs          = var.aws_endpoint_url
    sts          = var.aws_endpoint_url
  }
}

# Stands for the OpenID Connect provider that the other environments name.
module "identity_provider" {
  source = "../../modules/identity-provider"

  name = "tenkacloud-local-clients"
}

module "stack" {
  source = "../../modules/stack"

  environment            = "local"
  profile                = "local"
  zip_path               = "${path.root}/../../../../build/zips/{service}.zip"
  archive_retention_days = 7
  log_retention_days     = 7
  jwt_issuer             = module.identity_provider.issuer
  jwt_audience           = [module.identity_provider.user_pool_client_id]
  tenant_claim           = module.identity_provider.tenant_claim

  # Shorter than on AWS, but longer than a laptop takes for some thousand tenants at once.
  stuck_after_seconds = 420

  # Shorter, too, so that a whole life of a tenant can be seen at once. Nothing here is worth a day's wait.
  drain_seconds              = 3
  retire_after_seconds       = 5
  verify_again_after_seconds = 5
  retention_days_min         = 0
  retention_days_default     = 0
}

locals {
  deployment = merge(module.stack.deployment, {
    # The engine serves APIs under a path of its endpoint.
    problem_data_api_url = "${var.aws_endpoint_url}/_aws/execute-api/${module.stack.tenant_api_id}"
    user_pool_id         = module.identity_provider.user_pool_id
    user_pool_client_id  = module.identity_provider.user_pool_client_id
  })
}
