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
    partition        = "aws"
    data_bucket_name = "tenkacloud-data-dev-123456789012"
  }
  force_destroy = false
}

run "kept" {
  command = plan

  module {
    source = "../modules/data-bucket"
  }

  assert {
    condition     = output.name == "tenkacloud-data-dev-123456789012" && !output.force_destroy
    error_message = "The bucket must have the name it was given and keep its data when destroyed."
  }

  # All else that it is, modules/private-bucket is tested for.
  assert {
    condition     = jsondecode(output.policy_json).Statement[0].Resource[1] == "arn:aws:s3:::tenkacloud-data-dev-123456789012"
    error_message = "The bucket must be one of the private ones."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Objects must be versioned."
  }

  assert {
    condition = (
      length(aws_s3_bucket_lifecycle_configuration.this.rule) == 2
      && alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.status == "Enabled"])
      && aws_s3_bucket_lifecycle_configuration.this.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation == 7
      && aws_s3_bucket_lifecycle_configuration.this.rule[1].noncurrent_version_expiration[0].noncurrent_days == 90
    )
    error_message = "Unfinished uploads must end after 7 days and old versions after 90, and nothing else may expire."
  }
}

run "disposable" {
  command = plan

  module {
    source = "../modules/data-bucket"
  }

  variables {
    force_destroy = true
  }

  assert {
    condition     = output.force_destroy
    error_message = "A disposable bucket must go with its data."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/data-bucket"
  }

  variables {
    noncurrent_version_expiration_days = 0
  }

  expect_failures = [
    var.noncurrent_version_expiration_days,
  ]
}
