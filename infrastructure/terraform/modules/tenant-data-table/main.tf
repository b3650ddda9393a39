# Apart from the control plane's table: IAM tells items apart by partition key only, and a tenant's
# record shares its partition. Whoever may write that partition could change the tenant's tier.
resource "aws_dynamodb_table" "this" {
  name                        = var.context.data_table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "PK"
  range_key                   = "SK"
  deletion_protection_enabled = var.protect_data

  attribute {
    name = "PK"
    type = "S"
  }

  attribute {
    name = "SK"
    type = "S"
  }

  point_in_time_recovery {
    enabled = var.protect_data
  }
}
