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
    table_name = "TenkaCloud-dev"
  }
  protect_data = true
}

run "protected" {
  command = plan

  module {
    source = "../modules/tenant-table"
  }

  assert {
    condition = (
      aws_dynamodb_table.this.name == "TenkaCloud-dev"
      && aws_dynamodb_table.this.hash_key == "PK"
      && aws_dynamodb_table.this.range_key == "SK"
      && aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST"
    )
    error_message = "The table must be TenkaCloud-<environment>, keyed by PK and SK, on demand."
  }

  assert {
    condition     = aws_dynamodb_table.this.stream_enabled && aws_dynamodb_table.this.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "The stream must carry both images: its filter compares them."
  }

  assert {
    condition     = aws_dynamodb_table.this.deletion_protection_enabled && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Protected data must survive a deletion and be restorable."
  }

  assert {
    condition = {
      for index in aws_dynamodb_table.this.global_secondary_index :
      index.name => join(" ", [index.hash_key, index.range_key, index.projection_type])
      } == {
      "by-slug"        = "GSI1PK GSI1SK KEYS_ONLY"
      "by-status-tier" = "GSI2PK GSI2SK KEYS_ONLY"
      "in-flight"      = "GSI3PK GSI3SK KEYS_ONLY"
      "failed"         = "GSI4PK GSI4SK KEYS_ONLY"
      "due"            = "GSI5PK GSI5SK KEYS_ONLY"
    }
    error_message = "The indexes must be these five, each with key attributes of its own."
  }

  assert {
    condition = { for attribute in aws_dynamodb_table.this.attribute : attribute.name => attribute.type } == {
      for name in ["PK", "SK", "GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK", "GSI3PK", "GSI3SK", "GSI4PK", "GSI4SK", "GSI5PK", "GSI5SK"] : name => "S"
    }
    error_message = "Every key attribute must be a string."
  }
}

run "unprotected" {
  command = plan

  module {
    source = "../modules/tenant-table"
  }

  variables {
    protect_data = false
  }

  assert {
    condition     = !aws_dynamodb_table.this.deletion_protection_enabled && !aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Unprotected data must go with the table."
  }
}
