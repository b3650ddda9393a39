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
  name          = "tenkacloud-data-dev-123456789012"
  partition     = "aws"
  force_destroy = false
}

run "hardened" {
  command = plan

  module {
    source = "../modules/private-bucket"
  }

  assert {
    condition     = aws_s3_bucket.this.bucket == "tenkacloud-data-dev-123456789012" && !aws_s3_bucket.this.force_destroy
    error_message = "The bucket must have the name it was given and keep its data when destroyed."
  }

  assert {
    condition = (
      aws_s3_bucket_public_access_block.this.block_public_acls
      && aws_s3_bucket_public_access_block.this.block_public_policy
      && aws_s3_bucket_public_access_block.this.ignore_public_acls
      && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    )
    error_message = "All four kinds of public access must be blocked."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Access control lists must be off."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    ]) && length(aws_s3_bucket_server_side_encryption_configuration.this.rule) == 1
    error_message = "Objects must be encrypted."
  }

  assert {
    condition = jsondecode(output.policy_json).Statement == [{
      Sid       = "DenyInsecureTransport"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource = [
        "arn:aws:s3:::tenkacloud-data-dev-123456789012/*",
        "arn:aws:s3:::tenkacloud-data-dev-123456789012",
      ]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The bucket's policy must deny everything over insecure transport, and hold nothing else."
  }

  assert {
    condition     = aws_s3_bucket_policy.this.bucket == "tenkacloud-data-dev-123456789012" && jsondecode(aws_s3_bucket_policy.this.policy) == jsondecode(output.policy_json)
    error_message = "The policy must be the bucket's."
  }
}

run "disposable" {
  command = plan

  module {
    source = "../modules/private-bucket"
  }

  variables {
    force_destroy = true
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy
    error_message = "A disposable bucket must go with its data."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/private-bucket"
  }

  variables {
    name = "tenkacloud_data"
  }

  expect_failures = [
    var.name,
  ]
}
