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
  function_name         = "tenkacloud-dev-example"
  description           = "An example"
  zip_path              = "main.tf"
  handler               = "example.handler.handler"
  environment_variables = { TABLE_NAME = "TenkaCloud-dev" }
  policy_json           = jsonencode({ Version = "2012-10-17", Statement = [] })
  role_path             = "/tenkacloud/dev/control-plane/"
  log_retention_days    = 30
  log_level             = "INFO"
  account_id            = "123456789012"
  region                = "ap-northeast-1"
  partition             = "aws"
}

# One run for all of them, since each run costs seconds: every variable named below has to
# refuse its value, and nothing else may fail.
run "wrong_values_are_refused" {
  command = plan

  variables {
    function_name                  = "provisioning"
    description                    = ""
    zip_path                       = ""
    handler                        = "handler"
    environment_variables          = { DEAD_LETTER_QUEUE_URL = "https://example.com/queue" }
    policy_json                    = "{}"
    role_path                      = "/"
    log_retention_days             = 0
    log_level                      = "TRACE"
    account_id                     = "12345678901"
    region                         = "tokyo"
    partition                      = "azure"
    timeout                        = 901
    memory_size                    = 64
    reserved_concurrent_executions = 0
    architecture                   = "i386"
    dead_letter_source_arns        = ["arn:aws:sns:ap-northeast-1:123456789012:anything"]
  }

  expect_failures = [
    var.function_name,
    var.description,
    var.zip_path,
    var.handler,
    var.environment_variables,
    var.policy_json,
    var.role_path,
    var.log_retention_days,
    var.log_level,
    var.account_id,
    var.region,
    var.partition,
    var.timeout,
    var.memory_size,
    var.reserved_concurrent_executions,
    var.architecture,
    var.dead_letter_source_arns,
  ]
}

run "a_synchronous_function_has_no_queue_to_send_to" {
  command = plan

  variables {
    synchronous             = true
    dead_letter_source_arns = ["arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/a-rule"]
  }

  expect_failures = [var.dead_letter_source_arns]
}
