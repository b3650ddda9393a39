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
    environment      = "dev"
    name_prefix      = "tenkacloud-dev"
    account_id       = "123456789012"
    region           = "ap-northeast-1"
    partition        = "aws"
    data_bucket_name = "tenkacloud-data-dev-123456789012"
  }
}

run "each_step_by_phase" {
  command = plan

  module {
    source = "../modules/tenant-resources"
  }

  assert {
    condition = jsondecode(output.ensure_policy_json).Statement == [
      {
        Sid      = "CreateSiloBucket"
        Effect   = "Allow"
        Action   = "s3:CreateBucket"
        Resource = "arn:aws:s3:::tenkacloud-dev-silo-*"
      },
      {
        Sid    = "HardenSiloBucket"
        Effect = "Allow"
        Action = [
          "s3:PutEncryptionConfiguration",
          "s3:PutBucketVersioning",
          "s3:PutBucketTagging",
          "s3:PutBucketPublicAccessBlock",
          "s3:PutBucketPolicy",
          "s3:ListBucket",
          "s3:GetEncryptionConfiguration",
          "s3:GetBucketTagging",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketPolicy",
        ]
        Resource  = "arn:aws:s3:::tenkacloud-dev-silo-*"
        Condition = { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
      },
      {
        Sid      = "MarkPoolTenant"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012/tenants/*/.tenkacloud.json"
      },
      {
        Sid      = "TenantLogGroup"
        Effect   = "Allow"
        Action   = ["logs:TagResource", "logs:PutRetentionPolicy", "logs:ListTagsForResource", "logs:CreateLogGroup"]
        Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/tenkacloud/dev/tenants/*"
      },
    ]
    error_message = "What makes resources must mark prefixes, and make dedicated buckets and log groups, and remove nothing."
  }

  assert {
    condition = jsondecode(output.offboard_policy_json).Statement == [
      {
        Sid    = "DeleteSiloBucket"
        Effect = "Allow"
        Action = [
          "s3:PutBucketTagging",
          "s3:PutBucketPolicy",
          "s3:ListBucket",
          "s3:GetBucketTagging",
          "s3:GetBucketPolicy",
          "s3:DeleteBucket",
        ]
        Resource  = "arn:aws:s3:::tenkacloud-dev-silo-*"
        Condition = { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
      },
      {
        Sid      = "TenantLogGroup"
        Effect   = "Allow"
        Action   = ["logs:ListTagsForResource", "logs:DescribeLogStreams", "logs:DeleteLogGroup"]
        Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/tenkacloud/dev/tenants/*"
      },
    ]
    error_message = "What removes resources must remove buckets of this account and log groups, and make nothing."
  }

  assert {
    condition = jsondecode(output.move_policy_json).Statement == [
      {
        Sid      = "CreateSiloBucket"
        Effect   = "Allow"
        Action   = "s3:CreateBucket"
        Resource = "arn:aws:s3:::tenkacloud-dev-silo-*"
      },
      {
        Sid    = "DeleteSiloBucket"
        Effect = "Allow"
        Action = [
          "s3:PutBucketTagging",
          "s3:PutBucketPolicy",
          "s3:ListBucket",
          "s3:GetBucketTagging",
          "s3:GetBucketPolicy",
          "s3:DeleteBucket",
        ]
        Resource  = "arn:aws:s3:::tenkacloud-dev-silo-*"
        Condition = { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
      },
      {
        Sid    = "HardenSiloBucket"
        Effect = "Allow"
        Action = [
          "s3:PutEncryptionConfiguration",
          "s3:PutBucketVersioning",
          "s3:PutBucketTagging",
          "s3:PutBucketPublicAccessBlock",
          "s3:PutBucketPolicy",
          "s3:ListBucket",
          "s3:GetEncryptionConfiguration",
          "s3:GetBucketTagging",
          "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketPolicy",
        ]
        Resource  = "arn:aws:s3:::tenkacloud-dev-silo-*"
        Condition = { StringEquals = { "aws:ResourceAccount" = "123456789012" } }
      },
      {
        Sid      = "MarkPoolTenant"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:aws:s3:::tenkacloud-data-dev-123456789012/tenants/*/.tenkacloud.json"
      },
      {
        Sid      = "TenantLogGroup"
        Effect   = "Allow"
        Action   = ["logs:TagResource", "logs:PutRetentionPolicy", "logs:ListTagsForResource", "logs:DeleteLogGroup", "logs:CreateLogGroup"]
        Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/tenkacloud/dev/tenants/*"
      },
    ]
    error_message = "What moves tenants must do both."
  }

  # Tenants' data is for sessions of the maintenance role only.
  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(output.move_policy_json).Statement : statement.Action]),
      ["s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"],
    )) == 0
    error_message = "None of the steps may reach what tenants keep in their resources."
  }
}
