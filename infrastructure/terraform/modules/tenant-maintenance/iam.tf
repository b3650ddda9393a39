data "aws_iam_policy_document" "this" {
  # They come after the statements that are written here.
  override_policy_documents = [module.session.denials_json]

  # The slash before the star keeps tenant "a" out of the prefix of tenant "ab".
  statement {
    sid = "TenantObjects"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:DeleteObjectVersion",
      "s3:GetObject",
      "s3:GetObjectTagging",
      "s3:GetObjectVersion",
      "s3:GetObjectVersionTagging",
      "s3:PutObject",
      "s3:PutObjectTagging",
    ]
    resources = ["${local.bucket_arn}/tenants/${local.tenant_id}/*"]
  }

  # No listing of uploads: S3 does not tell IAM its prefix, and without one it shows every tenant's.
  statement {
    sid = "ListTenantPrefix"
    actions = [
      "s3:ListBucket",
      "s3:ListBucketVersions",
    ]
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

  # An export is written and read back; nobody deletes one before the bucket's lifecycle rule does.
  statement {
    sid = "TenantExports"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:PutObject",
      "s3:PutObjectTagging",
    ]
    resources = ["${local.exports_bucket_arn}/${local.tenant_id}/*"]
  }

  # Apart from the other listing: for a tenant called "tenants" this prefix would be all of the pool.
  statement {
    sid       = "ListTenantExports"
    actions   = ["s3:ListBucket"]
    resources = [local.exports_bucket_arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.tenant_id}/*"]
    }

    condition {
      test     = "Null"
      variable = "s3:prefix"
      values   = ["false"]
    }
  }

  statement {
    sid = "TenantItems"
    actions = [
      "dynamodb:BatchWriteItem",
      "dynamodb:DeleteItem",
      "dynamodb:Query",
    ]
    resources = [local.data_table_arn]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = ["TENANT#${local.tenant_id}"]
    }

    # ForAllValues is true of a request without the key, such as a scan.
    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }
}
