provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  name               = "tenkacloud-dev-tenant-api"
  description        = "What the tenants' clients call"
  jwt_issuer         = "https://tenkacloud.example.com/"
  jwt_audience       = ["the-api"]
  log_retention_days = 30
  account_id         = "123456789012"
  region             = "ap-northeast-1"
  partition          = "aws"
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    name                   = "api"
    description            = ""
    jwt_issuer             = "http://tenkacloud.example.com/"
    jwt_audience           = []
    throttling_rate_limit  = 0
    throttling_burst_limit = 1.5
    log_retention_days     = 0
    account_id             = "1"
    region                 = "tokyo"
    partition              = "azure"
  }

  expect_failures = [
    var.name,
    var.description,
    var.jwt_issuer,
    var.jwt_audience,
    var.throttling_rate_limit,
    var.throttling_burst_limit,
    var.log_retention_days,
    var.account_id,
    var.region,
    var.partition,
  ]
}
