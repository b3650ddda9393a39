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
  context = {
    partition           = "aws"
    exports_bucket_name = "tenkacloud-dev-exports-123456789012"
  }
  force_destroy  = false
  retention_days = 7
}

run "kept_for_a_while" {
  command = plan

  module {
    source = "../modules/exports-bucket"
  }

  assert {
    condition     = output.name == "tenkacloud-dev-exports-123456789012" && !output.force_destroy
    error_message = "The bucket must have the name it was given and keep its data when destroyed."
  }

  # All else that it is, modules/private-bucket is tested for.
  assert {
    condition     = jsondecode(output.policy_json).Statement[0].Resource[1] == "arn:aws:s3:::tenkacloud-dev-exports-123456789012"
    error_message = "The bucket must be one of the private ones."
  }

  assert {
    condition = (
      length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1
      && aws_s3_bucket_lifecycle_configuration.this.rule[0].status == "Enabled"
      && aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration[0].days == 7
      && aws_s3_bucket_lifecycle_configuration.this.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 1
    )
    error_message = "Every export must expire, and an unfinished upload of one before it."
  }
}

run "disposable" {
  command = plan

  module {
    source = "../modules/exports-bucket"
  }

  variables {
    force_destroy = true
  }

  assert {
    condition     = output.force_destroy
    error_message = "A disposable bucket must go with the exports in it."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/exports-bucket"
  }

  variables {
    retention_days = 0
  }

  expect_failures = [
    var.retention_days,
  ]
}
