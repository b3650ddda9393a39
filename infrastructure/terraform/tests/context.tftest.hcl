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
      environment                 = "dev"
      name_prefix                 = "tenkacloud-dev"
      account_id                  = "123456789012"
      region                      = "ap-northeast-1"
      partition                   = "aws"
      on_aws                      = true
      disposable                  = false
      table_name                  = "TenkaCloud-dev"
      data_table_name             = "TenkaCloud-dev-tenant-data"
      event_bus_name              = "tenkacloud-dev-tenant-events"
      data_bucket_name            = "tenkacloud-data-dev-123456789012"
      exports_bucket_name         = "tenkacloud-dev-exports-123456789012"
      tenant_access_role_arn      = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      tenant_maintenance_role_arn = "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
      waits                       = { drain_seconds = 35, retire_after_seconds = 3600, verify_again_after_seconds = 3600 }
      request_timeout_seconds     = 29
      zip_path                    = "build/zips/{service}.zip"
      log_retention_days          = 30
      function_environment        = { POWERTOOLS_LOG_LEVEL = "INFO" }
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

    drain_seconds              = 3
    retire_after_seconds       = 5
    verify_again_after_seconds = 6
  }

  assert {
    condition = (
      output.context.data_bucket_name == "tenkacloud-data-local"
      && output.context.exports_bucket_name == "tenkacloud-local-exports"
      && output.context.waits == { drain_seconds = 3, retire_after_seconds = 5, verify_again_after_seconds = 6 }
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

# On AWS a request may take 29 seconds; and where data is protected, no wait may be shorter than a session.
run "waits_that_are_too_short_are_rejected" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    drain_seconds              = 28
    retire_after_seconds       = 3599
    verify_again_after_seconds = 3599
  }

  expect_failures = [
    var.drain_seconds,
    var.retire_after_seconds,
    var.verify_again_after_seconds,
  ]
}

run "a_request_may_take_as_long_in_a_disposable_environment" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    profile                    = "disposable"
    drain_seconds              = 28
    retire_after_seconds       = 60
    verify_again_after_seconds = 60
  }

  expect_failures = [
    var.drain_seconds,
  ]
}

run "no_wait_is_rejected" {
  command = plan

  module {
    source = "../modules/context"
  }

  variables {
    environment                = "local"
    profile                    = "local"
    drain_seconds              = 0
    retire_after_seconds       = 0.5
    verify_again_after_seconds = 0
  }

  expect_failures = [
    var.drain_seconds,
    var.retire_after_seconds,
    var.verify_again_after_seconds,
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
