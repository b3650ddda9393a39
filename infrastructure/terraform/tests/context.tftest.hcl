provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

# The only data source that would ask AWS.
override_data {
  target = data.aws_caller_identity.current
  values = {
    account_id = "123456789012"
  }
}

variables {
  environment        = "dev"
  profile            = "protected"
  zip_path           = "build/zips/{service}.zip"
  log_retention_days = 30
}

run "on_aws" {
  command = plan

  module {
    source = "../modules/context"
  }

  assert {
    condition = output.context == {
      environment            = "dev"
      name_prefix            = "tenkacloud-dev"
      account_id             = "123456789012"
      region                 = "ap-northeast-1"
      partition              = "aws"
      on_aws                 = true
      disposable             = false
      table_name             = "TenkaCloud-dev"
      data_table_name        = "TenkaCloud-dev-tenant-data"
      event_bus_name         = "tenkacloud-dev-tenant-events"
      data_bucket_name       = "tenkacloud-data-dev-123456789012"
      tenant_access_role_arn = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      zip_path               = "build/zips/{service}.zip"
      log_retention_days     = 30
      function_environment   = { POWERTOOLS_LOG_LEVEL = "INFO" }
    }
    error_message = "Names must follow the environment, and the bucket's the account too."
  }
}

run "local" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    environment = "local"
    profile     = "local"
    log_level   = "DEBUG"
  }

  assert {
    condition = (
      output.context.data_bucket_name == "tenkacloud-data-local"
      && output.context.disposable
      && !output.context.on_aws
      && output.context.function_environment == { POWERTOOLS_LOG_LEVEL = "DEBUG" }
    )
    error_message = "Locally the bucket's name must be the design's, and everything disposable."
  }
}

run "disposable" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    profile = "disposable"
  }

  assert {
    condition     = output.context.disposable && output.context.on_aws && output.context.data_bucket_name == "tenkacloud-data-dev-123456789012"
    error_message = "What may be destroyed must keep its names until then."
  }
}

# One run for all of them, since each run costs a second: every variable named below has to
# reject its value, and nothing else may fail.
run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    environment        = "data"
    profile            = "production"
    zip_path           = "build/zips/all.zip"
    log_retention_days = 0
    log_level          = "TRACE"
  }

  expect_failures = [
    var.environment,
    var.profile,
    var.zip_path,
    var.log_retention_days,
    var.log_level,
  ]
}

run "malformed_environment_is_rejected" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    environment = "Prod-1"
  }

  expect_failures = [
    var.environment,
  ]
}
