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
  environment       = "dev"
  name_prefix       = "tenkacloud-dev"
  data_bucket_name  = "tenkacloud-data-dev-123456789012"
  table_name        = "TenkaCloud-dev"
  data_table_name   = "TenkaCloud-dev-tenant-data"
  account_id        = "123456789012"
  region            = "ap-northeast-1"
  partition         = "aws"
  trusted_role_arns = ["arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-problem-data"]
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    environment       = "data"
    data_bucket_name  = "tenkacloud-data"
    table_name        = "Tenants"
    data_table_name   = "TenkaCloud-dev"
    account_id        = "12345678901"
    region            = "tokyo"
    partition         = "azure"
    trusted_role_arns = ["arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/*"]
  }

  expect_failures = [
    var.environment,
    var.data_bucket_name,
    var.table_name,
    var.data_table_name,
    var.account_id,
    var.region,
    var.partition,
    var.trusted_role_arns,
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

run "nobody_is_refused" {
  command = plan

  variables {
    trusted_role_arns = []
  }

  expect_failures = [var.trusted_role_arns]
}
