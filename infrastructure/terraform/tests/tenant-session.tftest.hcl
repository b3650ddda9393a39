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
    name_prefix = "tenkacloud-dev"
    account_id  = "123456789012"
    partition   = "aws"
  }
  trusted_role_arns = ["arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-problem-data"]
}

run "a_pattern_of_roles_is_rejected" {
  command = plan

  module {
    source = "../modules/tenant-session"
  }

  variables {
    trusted_role_arns = ["arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/*"]
  }

  expect_failures = [
    var.trusted_role_arns,
  ]
}

run "nobody_is_rejected" {
  command = plan

  module {
    source = "../modules/tenant-session"
  }

  variables {
    trusted_role_arns = []
  }

  expect_failures = [var.trusted_role_arns]
}

# What a session may do is tested with the two roles, in which these documents end.
run "too_many_roles_are_rejected" {
  command = plan

  module {
    source = "../modules/tenant-session"
  }

  variables {
    trusted_role_arns = [
      for n in range(12) :
      "arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-${n}-service-with-a-long-name"
    ]
  }

  expect_failures = [output.assume_role_policy_json]
}
