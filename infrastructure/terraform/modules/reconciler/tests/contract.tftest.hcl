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
  environment         = "dev"
  name_prefix         = "tenkacloud-dev"
  zip_path            = "main.tf"
  table_name          = "TenkaCloud-dev"
  event_bus_name      = "tenkacloud-dev-tenant-events"
  log_retention_days  = 30
  stuck_after_seconds = 900
  resumptions_max     = 5
  log_level           = "INFO"
  account_id          = "123456789012"
  region              = "ap-northeast-1"
  partition           = "aws"
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    environment                    = "data"
    zip_path                       = ""
    table_name                     = "Tenants"
    stuck_after_seconds            = 419
    resumptions_max                = 0
    reserved_concurrent_executions = 2
    event_bus_name                 = "default"
    log_retention_days             = 0
    log_level                      = "TRACE"
    account_id                     = "12345678901"
    region                         = "tokyo"
    partition                      = "azure"
  }

  expect_failures = [
    var.environment,
    var.zip_path,
    var.table_name,
    var.stuck_after_seconds,
    var.resumptions_max,
    var.reserved_concurrent_executions,
    var.event_bus_name,
    var.log_retention_days,
    var.log_level,
    var.account_id,
    var.region,
    var.partition,
  ]
}

# Apart, since it is compared with the environment and so looked at only when that is right.
run "name_prefix_of_another_environment_is_refused" {
  command = plan

  variables {
    name_prefix = "tenkacloud-prod"
  }

  expect_failures = [var.name_prefix]
}
