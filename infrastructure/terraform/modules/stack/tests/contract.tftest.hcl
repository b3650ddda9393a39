provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

# The only data source of the stack that would ask AWS.
override_data {
  target = data.aws_caller_identity.current
  values = {
    account_id = "123456789012"
  }
}

variables {
  environment                 = "dev"
  artifacts_dir               = "tests/artifacts"
  protect_data                = true
  force_destroy               = false
  append_account_id_to_bucket = true
  archive_retention_days      = 30
  log_retention_days          = 30
  log_level                   = "INFO"
  jwt_issuer                  = "https://tenkacloud.example.com/"
  jwt_audience                = ["the-api"]
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    environment            = "data"
    artifacts_dir          = "zips/"
    force_destroy          = true
    archive_retention_days = 0
    log_retention_days     = 0
    log_level              = "TRACE"
    jwt_issuer             = "tenkacloud.example.com"
    jwt_audience           = [""]
    tenant_claim           = ""
    stuck_after_seconds    = 419
    resumptions_max        = 0
    canary_scheduled       = false
    canary_period_minutes  = 0
    alarm_topic_arns       = ["on-call"]
  }

  expect_failures = [
    var.environment,
    var.artifacts_dir,
    var.force_destroy,
    var.archive_retention_days,
    var.log_retention_days,
    var.log_level,
    var.jwt_issuer,
    var.jwt_audience,
    var.tenant_claim,
    var.stuck_after_seconds,
    var.resumptions_max,
    var.canary_scheduled,
    var.canary_period_minutes,
    var.alarm_topic_arns,
  ]
}

run "malformed_environment_is_refused" {
  command = plan

  variables {
    environment = "Prod-1"
  }

  expect_failures = [var.environment]
}
