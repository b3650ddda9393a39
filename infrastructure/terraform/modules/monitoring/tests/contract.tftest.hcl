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
    canary                  = "tenkacloud-dev-canary"
  }
  dead_letter_queue_names = {
    provisioning       = "tenkacloud-dev-provisioning-dlq"
    tenant-provisioner = "tenkacloud-dev-tenant-provisioner-dlq"
  }
  event_rule_names      = ["tenkacloud-dev-tenant-onboarding", "tenkacloud-dev-tenant-provisioned"]
  event_bus_name        = "tenkacloud-dev-tenant-events"
  canary_period_minutes = 15
  stuck_after_seconds   = 900
  region                = "ap-northeast-1"
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    name_prefix           = "dev"
    stuck_after_seconds   = 10
    event_rule_names      = []
    event_bus_name        = "default"
    canary_period_minutes = 481
    failures_per_minute   = -1
    alarm_topic_arns      = ["arn:aws:sqs:ap-northeast-1:123456789012:a"]
    region                = "tokyo"
  }

  expect_failures = [
    var.name_prefix,
    var.stuck_after_seconds,
    var.event_rule_names,
    var.event_bus_name,
    var.canary_period_minutes,
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
