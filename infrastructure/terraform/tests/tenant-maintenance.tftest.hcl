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
    name_prefix         = "tenkacloud-dev"
    account_id          = "123456789012"
    region              = "ap-northeast-1"
    partition           = "aws"
    data_table_name     = "TenkaCloud-dev-tenant-data"
    data_bucket_name    = "tenkacloud-data-dev-123456789012"
    exports_bucket_name = "tenkacloud-dev-exports-123456789012"
  }
  trusted_role_arns = ["arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-tenant-mover"]
}

run "one_tenant_only" {
  command = plan

  module {
    source = "../modules/tenant-maintenance"
  }

  assert {
    condition = (
      aws_iam_role.this.name == "tenkacloud-dev-tenant-maintenance"
      && aws_iam_role.this.path == "/"
      && aws_iam_role.this.max_session_duration == 3600
      && output.role_arn == "arn:aws:iam::123456789012:role/tenkacloud-dev-tenant-maintenance"
    )
    error_message = "The role must be tenkacloud-<environment>-tenant-maintenance, with sessions of at most an hour."
  }

  # A tag of the role itself would count as every session's.
  assert {
    condition     = aws_iam_role.this.tags == null
    error_message = "The role must carry no tag of its own."
  }

  assert {
    condition = jsondecode(output.assume_role_policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "AssumeForOneTenant"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::123456789012:root" }
          Action    = "sts:AssumeRole"
          Condition = {
            ArnEquals                   = { "aws:PrincipalArn" = "arn:aws:iam::123456789012:role/tenkacloud/dev/application-plane/tenkacloud-dev-tenant-mover" }
            StringLike                  = { "aws:RequestTag/tenantId" = "?*", "sts:SourceIdentity" = "tenkacloud-dev-*" }
            StringNotLike               = { "aws:RequestTag/tenantId" = ["*/*", "*.*", "*:*", "*=*", "*+*", "*@*", "* *"] }
            "ForAllValues:StringEquals" = { "aws:TagKeys" = "tenantId", "sts:TransitiveTagKeys" = "tenantId" }
            Null                        = { "aws:TagKeys" = "false", "sts:TransitiveTagKeys" = "false" }
          }
        },
        {
          Sid       = "TagWithTheTenantOnly"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::123456789012:root" }
          Action    = "sts:TagSession"
          Condition = {
            StringLike                  = { "aws:RequestTag/tenantId" = "?*" }
            StringNotLike               = { "aws:RequestTag/tenantId" = ["*/*", "*.*", "*:*", "*=*", "*+*", "*@*", "* *"] }
            "ForAllValues:StringEquals" = { "aws:TagKeys" = "tenantId", "sts:TransitiveTagKeys" = "tenantId" }
            Null                        = { "aws:TagKeys" = "false", "sts:TransitiveTagKeys" = "false" }
          }
        },
        {
          Sid       = "NameTheService"
          Effect    = "Allow"
          Principal = { AWS = "arn:aws:iam::123456789012:root" }
          Action    = "sts:SetSourceIdentity"
          Condition = {
            StringLike = { "sts:SourceIdentity" = "tenkacloud-dev-*" }
          }
        },
      ]
    }
    error_message = "Only the trusted functions may start a session, only with the tag and only with that tag, under a name of their own."
  }

  assert {
    condition = jsondecode(output.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid    = "TenantObjects"
          Effect = "Allow"
          Action = [
            "s3:PutObjectTagging",
            "s3:PutObject",
            "s3:GetObjectVersionTagging",
            "s3:GetObjectVersion",
            "s3:GetObjectTagging",
            "s3:GetObject",
            "s3:DeleteObjectVersion",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
          ]
          Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012/tenants/$${aws:PrincipalTag/tenantId}/*"
        },
        {
          Sid      = "ListTenantPrefix"
          Effect   = "Allow"
          Action   = ["s3:ListBucketVersions", "s3:ListBucket"]
          Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012"
          Condition = {
            StringLike = { "s3:prefix" = "tenants/$${aws:PrincipalTag/tenantId}/*" }
            Null       = { "s3:prefix" = "false" }
          }
        },
        {
          Sid      = "TenantExports"
          Effect   = "Allow"
          Action   = ["s3:PutObjectTagging", "s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]
          Resource = "arn:aws:s3:::tenkacloud-dev-exports-123456789012/$${aws:PrincipalTag/tenantId}/*"
        },
        {
          Sid      = "ListTenantExports"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = "arn:aws:s3:::tenkacloud-dev-exports-123456789012"
          Condition = {
            StringLike = { "s3:prefix" = "$${aws:PrincipalTag/tenantId}/*" }
            Null       = { "s3:prefix" = "false" }
          }
        },
        {
          Sid      = "TenantItems"
          Effect   = "Allow"
          Action   = ["dynamodb:Query", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"]
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev-tenant-data"
          Condition = {
            "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = "TENANT#$${aws:PrincipalTag/tenantId}" }
            Null                        = { "dynamodb:LeadingKeys" = "false" }
          }
        },
        {
          Sid       = "DenyWithoutTenant"
          Effect    = "Deny"
          Action    = "*"
          Resource  = "*"
          Condition = { Null = { "aws:PrincipalTag/tenantId" = "true" } }
        },
        {
          Sid       = "DenyEmptyTenant"
          Effect    = "Deny"
          Action    = "*"
          Resource  = "*"
          Condition = { StringEquals = { "aws:PrincipalTag/tenantId" = "" } }
        },
        {
          Sid    = "DenyRoleChaining"
          Effect = "Deny"
          Action = [
            "sts:TagSession",
            "sts:SetSourceIdentity",
            "sts:GetFederationToken",
            "sts:AssumeRoleWithWebIdentity",
            "sts:AssumeRoleWithSAML",
            "sts:AssumeRole",
          ]
          Resource = "*"
        },
        {
          Sid      = "DenyOtherAccountsBuckets"
          Effect   = "Deny"
          Action   = "s3:*"
          Resource = "*"
          Condition = {
            StringNotEquals = { "aws:ResourceAccount" = "123456789012" }
            Null            = { "aws:ResourceAccount" = "false" }
          }
        },
      ]
    }
    error_message = "A session must reach its own tenant's data and nothing else, and nothing without the tag."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role.this.assume_role_policy) == jsondecode(output.assume_role_policy_json)
      && jsondecode(aws_iam_role_policy.this.policy) == jsondecode(output.policy_json)
      && aws_iam_role_policy.this.role == "tenkacloud-dev-tenant-maintenance"
    )
    error_message = "The role must carry these two policies."
  }
}

# As long as names get: AWS takes 2,048 characters of a trust policy, and 10,240 of a role's policies.
run "six_services_with_the_longest_names_fit" {
  command = plan

  module {
    source = "../modules/tenant-maintenance"
  }

  variables {
    context = {
      name_prefix         = "tenkacloud-abcdefghijkl"
      account_id          = "123456789012"
      region              = "us-gov-west-1"
      partition           = "aws-us-gov"
      data_table_name     = "TenkaCloud-abcdefghijkl-tenant-data"
      data_bucket_name    = "tenkacloud-data-abcdefghijkl-123456789012"
      exports_bucket_name = "tenkacloud-abcdefghijkl-exports-123456789012"
    }
    trusted_role_arns = [
      for n in range(6) :
      "arn:aws-us-gov:iam::123456789012:role/tenkacloud/abcdefghijkl/application-plane/tenkacloud-abcdefghijkl-${n}-service-with-the-longest-names"
    ]
  }

  assert {
    condition     = length(jsonencode(jsondecode(output.assume_role_policy_json))) <= 2048
    error_message = "The trust policy has ${length(jsonencode(jsondecode(output.assume_role_policy_json)))} of 2048 characters."
  }

  assert {
    condition     = length(jsonencode(jsondecode(output.policy_json))) <= 10240
    error_message = "The role's policy has ${length(jsonencode(jsondecode(output.policy_json)))} of 10240 characters."
  }
}
