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
  target = module.context.data.aws_caller_identity.current
  values = {
    account_id = "123456789012"
  }
}

variables {
  environment            = "dev"
  zip_path               = "../modules/{service}/main.tf" # stands for a zip: a plan only hashes it
  archive_retention_days = 30
  log_retention_days     = 30
  jwt_issuer             = "https://tenkacloud.example.com/"
  jwt_audience           = ["the-api"]
}

run "on_aws" {
  command = plan

  module {
    source = "../modules/stack"
  }

  assert {
    condition = (
      output.deployment.environment == "dev"
      && output.deployment.account_id == "123456789012"
      && output.deployment.region == "ap-northeast-1"
      && output.table_name == "TenkaCloud-dev"
      && output.deployment.data_table_name == "TenkaCloud-dev-tenant-data"
      && output.event_bus_name == "tenkacloud-dev-tenant-events"
      && output.deployment.event_archive_name == "tenkacloud-dev-tenant-events"
      && output.data_bucket_name == "tenkacloud-data-dev-123456789012"
      && output.deployment.exports_bucket_name == "tenkacloud-dev-exports-123456789012"
      && output.tenant_access_role_arn == "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
      && output.deployment.tenant_maintenance_role_arn == "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
    )
    error_message = "Names must follow the environment, and the buckets' the account too."
  }

  assert {
    condition = alltrue([
      for service, name in output.lambda_function_names : name == "tenkacloud-dev-${service}"
    ])
    error_message = "Each function must be named after its service."
  }

  assert {
    condition     = output.deployment.function_role_names == output.lambda_function_names
    error_message = "Each role must have its function's name."
  }

  assert {
    condition     = output.deployment.log_group_names == { for service, name in output.lambda_function_names : service => "/aws/lambda/${name}" }
    error_message = "Each log group must be the one its function writes to."
  }

  assert {
    condition     = length(setsubtract(["provisioning", "provisioning-completion", "tenant-provisioner", "tenant-mover", "tenant-deprovisioner"], keys(output.dead_letter_queue_urls))) == 0
    error_message = "Each function that nobody waits for must have a dead letter queue."
  }

  assert {
    condition     = length(output.alarm_names) == length(module.monitoring[0].alarms) + 3
    error_message = "Beside these alarms there must be those of what is lost beyond the queues."
  }

  assert {
    condition     = length(output.deployment.stream_filter_patterns) == 5
    error_message = "The stream's filter must be put out."
  }

  assert {
    condition = { for service, pattern in output.deployment.event_patterns : service => jsondecode(pattern) } == {
      tenant-provisioner   = { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding"] }
      tenant-mover         = { source = ["tenkacloud.control-plane"], detail-type = ["TenantTierChanging", "TenantExporting"] }
      tenant-deprovisioner = { source = ["tenkacloud.control-plane"], detail-type = ["TenantOffboarding"] }
      provisioning-completion = {
        source      = ["tenkacloud.application-plane"]
        detail-type = ["TenantProvisioned", "TenantTierChanged", "TenantExported", "TenantDeprovisioned", "TenantOperationProgressed"]
      }
    }
    error_message = "Each plane must listen to the other's events, and not to its own."
  }

  assert {
    condition     = jsondecode(module.tenant_access.policy_json).Statement[0].Resource == "arn:aws:s3:::${output.data_bucket_name}/tenants/$${aws:PrincipalTag/tenantId}/*"
    error_message = "Tenants' sessions must be about the stack's bucket."
  }

  assert {
    condition     = jsondecode(module.tenant_access.assume_role_policy_json).Statement[0].Condition.ArnEquals["aws:PrincipalArn"] == "arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-problem-data"
    error_message = "Only problem-data may act for tenants."
  }

  assert {
    condition = output.deployment.lifecycle == {
      drain_seconds              = 35
      retire_after_seconds       = 3600
      verify_again_after_seconds = 3600
      retention_days_min         = 7
      retention_days_default     = 30
      export_retention_days      = 7
      multipart_threshold_bytes  = 5368709120
    }
    error_message = "What operators' tools go by must be put out, with the defaults where nothing is said."
  }

  assert {
    condition     = output.deployment.jwt_issuer == "https://tenkacloud.example.com/" && output.deployment.jwt_audience == tolist(["the-api"]) && output.deployment.tenant_claim == "custom:tenantId"
    error_message = "The tokens taken must be those that were named."
  }

  assert {
    condition = (
      length(setsubtract(["canary", "reconciler"], keys(output.deployment.settings))) == 0
      && output.deployment.settings.canary == { period_minutes = 15, scheduled = true }
      && output.deployment.settings.reconciler.automatic_retries_max == 5
      && output.deployment.settings.reconciler.period_minutes == 1
    )
    error_message = "What operators' tools go by must be put out, with the modules' defaults where nothing is said."
  }

  assert {
    condition     = module.tenant_data_table.protected && module.tenant_table.protected && !module.data_bucket.force_destroy && !module.exports_bucket.force_destroy
    error_message = "On AWS tenants' data must be protected."
  }

  assert {
    condition = module.monitoring[0].alarms == merge(
      { for service in keys(output.dead_letter_queue_urls) : "${service}-dead-letters" =>
      "Maximum of AWS/SQS ApproximateNumberOfMessagesVisible of tenkacloud-dev-${service}-dlq GreaterThanThreshold 0, 1 x 60 s, notBreaching" },
      { for service in setsubtract(keys(output.lambda_function_names), ["canary"]) : "${service}-errors" =>
      "Sum of AWS/Lambda Errors of tenkacloud-dev-${service} GreaterThanThreshold 0, 3 x 60 s, notBreaching" },
      { for service in setsubtract(keys(output.lambda_function_names), ["canary"]) : "${service}-throttles" =>
      "Sum of AWS/Lambda Throttles of tenkacloud-dev-${service} GreaterThanThreshold 0, 3 x 60 s, notBreaching" },
      {
        tenant-mover-queue-age         = "Maximum of AWS/SQS ApproximateAgeOfOldestMessage of tenkacloud-dev-tenant-mover-queue GreaterThanThreshold 3600, 1 x 60 s, notBreaching"
        tenant-deprovisioner-queue-age = "Maximum of AWS/SQS ApproximateAgeOfOldestMessage of tenkacloud-dev-tenant-deprovisioner-queue GreaterThanThreshold 3600, 1 x 60 s, notBreaching"
        operation-failures             = "Sum of TenkaCloud/Tenants PhaseFailed of tenkacloud-dev-provisioning-completion GreaterThanThreshold 0, 1 x 60 s, notBreaching"
        overwrites                     = "Sum of TenkaCloud/Tenants OverwriteUndone of tenkacloud-dev-provisioning GreaterThanThreshold 0, 1 x 60 s, notBreaching"
        overdue                        = "Minimum of TenkaCloud/Tenants DueLeft of tenkacloud-dev-reconciler GreaterThanThreshold 0, 1 x 3600 s, notBreaching"
        stream-age                     = "Maximum of AWS/Lambda IteratorAge of tenkacloud-dev-provisioning GreaterThanThreshold 300000, 3 x 60 s, notBreaching"
        refusals                       = "Sum of TenkaCloud/Tenants TenantRejected of tenkacloud-dev-provisioning GreaterThanThreshold 5, 1 x 60 s, notBreaching"
        failures                       = "Sum of TenkaCloud/Tenants TenantFailed of tenkacloud-dev-provisioning-completion GreaterThanThreshold 5, 1 x 60 s, notBreaching"
        oldest-in-flight               = "Maximum of TenkaCloud/Tenants OldestInFlight of tenkacloud-dev-reconciler GreaterThanThreshold 1800, 3 x 60 s, notBreaching"
        given-up                       = "Sum of TenkaCloud/Tenants TenantFailedAfterRetries of tenkacloud-dev-reconciler GreaterThanThreshold 0, 1 x 60 s, notBreaching"
        reconciler-silent              = "SampleCount of TenkaCloud/Tenants OldestInFlight of tenkacloud-dev-reconciler LessThanThreshold 1, 5 x 60 s, breaching"
        canary                         = "Sum of TenkaCloud/Tenants CanaryCompleted of tenkacloud-dev-canary LessThanThreshold 1, 3 x 900 s, breaching"
      },
    )
    error_message = "There must be an alarm for each thing that can go wrong."
  }

  assert {
    condition = [for widget in jsondecode(module.monitoring[0].dashboard_body).widgets : widget.properties.title] == [
      "Funnel: tenants a minute",
      "Oldest tenant in flight, s",
      "Phases of operations",
      "What was due: begun, and left",
      "How long each step takes, ms: median and 95th percentile",
      "How long the stream's records wait, ms",
      "Errors and throttles",
      "How long the oldest message has been in a queue, s",
      "Dead letters",
      "Canary: got through; how long that took, s",
      "Lost beyond the queues",
    ]
    error_message = "The dashboard must show the funnel, its latencies, and what goes wrong."
  }

  assert {
    condition = [for metric in jsondecode(module.monitoring[0].dashboard_body).widgets[0].properties.metrics : metric[1]] == [
      "TenantOnboardingRequested", "TenantProvisioningCompleted", "TenantCompleted", "TenantFailed",
      "TenantRejected", "TenantRetried", "TenantFailedAfterRetries",
    ]
    error_message = "The funnel must show the way of a tenant, and where it ends."
  }
}

run "local" {
  command = plan

  module {
    source = "../modules/stack"
  }

  variables {
    environment           = "local"
    profile               = "local"
    automatic_retries_max = 3
    sweep_period_minutes  = 2
    canary_period_minutes = 5

    drain_seconds              = 3
    retire_after_seconds       = 5
    verify_again_after_seconds = 6
    retention_days_min         = 0
    retention_days_default     = 1
    export_retention_days      = 2
    multipart_threshold_bytes  = 5242880
  }

  assert {
    condition     = output.data_bucket_name == "tenkacloud-data-local"
    error_message = "Locally the bucket's name must be the design's."
  }

  assert {
    condition     = !module.tenant_table.protected && !module.tenant_data_table.protected && module.data_bucket.force_destroy && module.exports_bucket.force_destroy
    error_message = "Locally everything must be disposable."
  }

  assert {
    condition = (
      output.deployment.settings.canary == { period_minutes = 5, scheduled = false }
      && output.deployment.settings.reconciler.automatic_retries_max == 3
      && output.deployment.settings.reconciler.period_minutes == 2
    )
    error_message = "Settings must reach their services, and locally the canary must not run by itself."
  }

  assert {
    condition = output.deployment.lifecycle == {
      drain_seconds              = 3
      retire_after_seconds       = 5
      verify_again_after_seconds = 6
      retention_days_min         = 0
      retention_days_default     = 1
      export_retention_days      = 2
      multipart_threshold_bytes  = 5242880
    }
    error_message = "What operators' tools go by must be what was set."
  }

  assert {
    condition = (
      module.provisioning_completion.configuration.environment_variables["DRAIN_SECONDS"] == "3"
      && module.provisioning_completion.configuration.environment_variables["RETIRE_AFTER_SECONDS"] == "5"
      && module.provisioning_completion.configuration.environment_variables["VERIFY_AGAIN_AFTER_SECONDS"] == "6"
      && module.reconciler.configuration.environment_variables["EXPORT_RETENTION_DAYS"] == "2"
      && module.tenant_mover.configuration.environment_variables["MULTIPART_THRESHOLD_BYTES"] == "5242880"
    )
    error_message = "Waits and limits must reach their services."
  }

  assert {
    condition     = length(output.alarm_names) == 0
    error_message = "Locally there must be no alarms: nobody would hear them."
  }
}

run "disposable" {
  command = plan

  module {
    source = "../modules/stack"
  }

  variables {
    profile = "disposable"
  }

  assert {
    condition = (
      !module.tenant_table.protected
      && !module.tenant_data_table.protected
      && module.data_bucket.force_destroy
      && output.data_bucket_name == "tenkacloud-data-dev-123456789012"
      && output.deployment.settings.canary.scheduled
      && length(output.alarm_names) > 0
    )
    error_message = "A disposable stack must be as on AWS, and go with its data."
  }
}

run "a_default_shorter_than_the_least_is_rejected" {
  command = plan

  module {
    source = "../modules/stack"
  }

  variables {
    retention_days_default = 6
  }

  expect_failures = [
    var.retention_days_default,
  ]
}

run "no_retention_where_data_is_protected_is_rejected" {
  command = plan

  module {
    source = "../modules/stack"
  }

  variables {
    retention_days_min = 0
  }

  expect_failures = [
    var.retention_days_min,
  ]
}
