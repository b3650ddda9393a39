data "aws_iam_policy_document" "this" {
  # They come after the statements that are written here.
  override_policy_documents = [module.session.denials_json]

  # The slash before the star keeps tenant "a" out of the prefix of tenant "ab".
  statement {
    sid = "TenantObjects"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:PutObject",
    ]
    resources = ["${local.bucket_arn}/tenants/${local.tenant_id}/*"]
  }

  statement {
    sid       = "ListTenantPrefix"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["tenants/${local.tenant_id}/*"]
    }

    condition {
      test     = "Null"
      variable = "s3:prefix"
      values   = ["false"]
    }
  }

  # TransactGetItems and TransactWriteItems are no IAM actions: each of their parts is one of these.
  statement {
    sid = "TenantItems"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:BatchWriteItem",
      "dynamodb:ConditionCheckItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = [local.data_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [local.partition_key]
    }

    # ForAllValues is true of a request without the key, such as a scan.
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  # Read only: the record is the control plane's. It says whether the tenant is ACTIVE, and where
  # its bucket is.
  statement {
    sid       = "TenantRecord"
    actions   = ["dynamodb:GetItem"]
    resources = [local.table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = [local.partition_key]
    }

    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}
