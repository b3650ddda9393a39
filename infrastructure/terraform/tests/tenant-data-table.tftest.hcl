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
    data_table_name = "TenkaCloud-dev-tenant-data"
  }
  protect_data = true
}

run "protected" {
  command = plan

  module {
    source = "../modules/tenant-data-table"
  }

  assert {
    condition = (
      output.name == "TenkaCloud-dev-tenant-data"
      && aws_dynamodb_table.this.hash_key == "PK"
      && aws_dynamodb_table.this.range_key == "SK"
      && aws_dynamodb_table.this.billing_mode == "PAY_PER_REQUEST"
      && { for attribute in aws_dynamodb_table.this.attribute : attribute.name => attribute.type } == { PK = "S", SK = "S" }
    )
    error_message = "The table must be TenkaCloud-<environment>-tenant-data, keyed by PK and SK, on demand."
  }

  # An index would need a grant of its own, with a partition key that holds the tenant.
  assert {
    condition     = length(aws_dynamodb_table.this.global_secondary_index) == 0 && length(aws_dynamodb_table.this.local_secondary_index) == 0
    error_message = "The tenants' table must have no index."
  }

  assert {
    condition     = output.protected && aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Protected data must survive a deletion and be restorable."
  }
}

run "unprotected" {
  command = plan

  module {
    source = "../modules/tenant-data-table"
  }

  variables {
    protect_data = false
  }

  assert {
    condition     = !output.protected && !aws_dynamodb_table.this.point_in_time_recovery[0].enabled
    error_message = "Unprotected data must go with the table."
  }
}
