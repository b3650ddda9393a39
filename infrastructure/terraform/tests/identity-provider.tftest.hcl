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
  name = "tenkacloud-dev-clients"
}

run "users_cannot_choose_their_tenant" {
  command = plan

  module {
    source = "../modules/identity-provider"
  }

  assert {
    condition     = aws_cognito_user_pool.this.admin_create_user_config[0].allow_admin_create_user_only
    error_message = "Only an administrator may create users."
  }

  assert {
    condition = [
      for attribute in aws_cognito_user_pool.this.schema : [attribute.name, attribute.mutable, attribute.developer_only_attribute]
    ] == [["tenantId", false, false]]
    error_message = "The tenant of a user must be set once and never be changed."
  }

  assert {
    condition     = aws_cognito_user_pool_client.this.write_attributes == toset(["email", "name"])
    error_message = "The client must not be able to write custom:tenantId."
  }

  assert {
    condition     = output.tenant_claim == "custom:tenantId"
    error_message = "The claim must be the one that Cognito makes of the attribute."
  }
}

run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/identity-provider"
  }

  variables {
    name = "clients"
  }

  expect_failures = [
    var.name,
  ]
}
