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
  name_prefix = "tenkacloud-dev"
  function_names = {
    provisioning            = "tenkacloud-dev-provisioning"
    tenant-provisioner      = "tenkacloud-dev-tenant-provisioner"
    provisioning-completion = "tenkacloud-dev-provisioning-completion"
    reconciler              = "tenkacloud-dev-reconciler"
  }
  dead_letter_queue_names = {
    provisioning       = "tenkacloud-dev-provisioning-dlq"
    tenant-provisioner = "tenkacloud-dev-tenant-provisioner-dlq"
  }
  stuck_after_seconds = 900
  region              = "ap-northeast-1"
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name_prefix         = "dev"
    stuck_after_seconds = 10
    failures_per_minute = -1
    alarm_topic_arns    = ["arn:aws:sqs:ap-northeast-1:123456789012:a"]
    region              = "tokyo"
  }

  expect_failures = [
    var.name_prefix,
    var.stuck_after_seconds,
    var.failures_per_minute,
    var.alarm_topic_arns,
    var.region,
  ]
}

run "a_missing_function_is_refused" {
  command = plan

  variables {
    function_names = { provisioning = "tenkacloud-dev-provisioning" }
  }

  expect_failures = [var.function_names]
}
