locals {
  # Every index has key attributes of its own, so an item is in an index only if it says so.
  # "in-flight", "failed" and "due" are sparse: they hold the tenants of which a result is awaited, those
  # of which something failed, and those of which something is to be done later, and nothing else. So
  # reading one costs no more as tenants accumulate.
  indexes = {
    "by-slug"        = { hash_key = "GSI1PK", range_key = "GSI1SK" }
    "by-status-tier" = { hash_key = "GSI2PK", range_key = "GSI2SK" }
    "in-flight"      = { hash_key = "GSI3PK", range_key = "GSI3SK" }
    "failed"         = { hash_key = "GSI4PK", range_key = "GSI4SK" }
    "due"            = { hash_key = "GSI5PK", range_key = "GSI5SK" }
  }

  key_attributes = concat(
    ["PK", "SK"],
    flatten([for index in values(local.indexes) : [index.hash_key, index.range_key]]),
  )
}

resource "aws_dynamodb_table" "this" {
  name                        = var.context.table_name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "PK"
  range_key                   = "SK"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.protect_data

  dynamic "attribute" {
    for_each = toset(local.key_attributes)

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value.hash_key
      range_key       = global_secondary_index.value.range_key
      projection_type = "KEYS_ONLY"
    }
  }

  point_in_time_recovery {
    enabled = var.protect_data
  }
}
