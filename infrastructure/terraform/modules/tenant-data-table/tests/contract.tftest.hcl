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
  table_name   = "TenkaCloud-dev-tenant-data"
  protect_data = true
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    table_name = "TenkaCloud-dev"
  }

  expect_failures = [
    var.table_name,
  ]
}
