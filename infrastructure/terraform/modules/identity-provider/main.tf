data "aws_region" "current" {}

# A Cognito pool for clients of the HTTP API, where no other OpenID Connect provider is at hand.
resource "aws_cognito_user_pool" "this" {
  name = var.name

  # Who is a tenant's user is for an administrator to say.
  admin_create_user_config {
    allow_admin_create_user_only = true
  }

  # Set once, when an administrator creates the user, and never changed: a user who could write it
  # could choose a tenant. The client below can't write it either.
  schema {
    name                     = "tenantId"
    attribute_data_type      = "String"
    mutable                  = false
    required                 = false
    developer_only_attribute = false

    string_attribute_constraints {
      min_length = "1"
      max_length = "64"
    }
  }
}

resource "aws_cognito_user_pool_client" "this" {
  name                          = var.name
  user_pool_id                  = aws_cognito_user_pool.this.id
  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors = "ENABLED"

  # What is not listed here can't be written by a user: not custom:tenantId.
  write_attributes = ["email", "name"]
}
