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

run "on_aws" {
  command = plan

  assert {
    condition = (
      output.environment == "dev"
      && output.account_id == "123456789012"
      && output.region == "ap-northeast-1"
      && output.table_name == "TenkaCloud-dev"
      && output.data_table_name == "TenkaCloud-dev-tenant-data"
      && output.event_bus_name == "tenkacloud-dev-tenant-events"
      && output.event_archive_name == "tenkacloud-dev-tenant-events"
      && output.data_bucket_name == "tenkacloud-data-dev-123456789012"
      && output.tenant_access_role_arn == "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-access"
    )
    error_message = "Names must follow the environment, and the bucket's the account too."
  }

  assert {
    condition = output.lambda_function_names == {
      provisioning            = "tenkacloud-dev-provisioning"
      tenant-provisioner      = "tenkacloud-dev-tenant-provisioner"
      provisioning-completion = "tenkacloud-dev-provisioning-completion"
      reconciler              = "tenkacloud-dev-reconciler"
      canary                  = "tenkacloud-dev-canary"
      problem-data            = "tenkacloud-dev-problem-data"
    }
    error_message = "The functions must be these six."
  }

  assert {
    condition     = output.function_role_names == output.lambda_function_names
    error_message = "Each role must have its function's name."
  }

  assert {
    condition     = output.log_group_names == { for service, name in output.lambda_function_names : service => "/aws/lambda/${name}" }
    error_message = "Each log group must be the one its function writes to."
  }

  assert {
    condition     = toset(keys(output.dead_letter_queue_urls)) == toset(["provisioning", "provisioning-completion", "tenant-provisioner"])
    error_message = "Each function that nobody waits for must have a dead letter queue."
  }

  assert {
    condition     = length(output.alarm_names) == 3 + 5 + 5 + 6 + 3 + 1
    error_message = "Each queue and each function must be watched, and the flow as a whole."
  }

  assert {
    condition     = length(output.stream_filter_patterns) == 4
    error_message = "The stream's filter must be put out."
  }

  assert {
    condition = { for service, pattern in output.event_patterns : service => jsondecode(pattern) } == {
      tenant-provisioner      = { source = ["tenkacloud.control-plane"], detail-type = ["TenantOnboarding"] }
      provisioning-completion = { source = ["tenkacloud.application-plane"], detail-type = ["TenantProvisioned"] }
    }
    error_message = "Each plane must listen to the other's event, and not to its own."
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
    condition     = output.jwt_issuer == "https://tenkacloud.example.com/" && output.jwt_audience == tolist(["the-api"]) && output.tenant_claim == "custom:tenantId"
    error_message = "The tokens taken must be those that were named."
  }

  assert {
    condition     = module.tenant_data_table.protected && module.tenant_table.protected && !module.data_bucket.force_destroy
    error_message = "On AWS tenants' data must be protected."
  }
}

run "local" {
  command = plan

  variables {
    environment                 = "local"
    protect_data                = false
    force_destroy               = true
    append_account_id_to_bucket = false
  }

  assert {
    condition     = output.data_bucket_name == "tenkacloud-data-local"
    error_message = "Locally the bucket's name must be the design's."
  }

  assert {
    condition     = !module.tenant_table.protected && module.data_bucket.force_destroy
    error_message = "Locally everything must be disposable."
  }
}
