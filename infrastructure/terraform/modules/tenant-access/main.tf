locals {
  # Built from names, so that every policy is fully known in the plan and can be proved there.
  account        = "arn:${var.context.partition}:iam::${var.context.account_id}:root"
  bucket_arn     = "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}"
  table_arn      = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  data_table_arn = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.data_table_name}"

  # An IAM policy variable: IAM fills in the tag of the session that asks.
  tenant_id     = "$${aws:PrincipalTag/tenantId}"
  partition_key = "TENANT#${local.tenant_id}"

  # The tag tenantId, not empty, no other tag, and handed on to sessions started from this one.
  # ForAllValues is true of a request without the key, so its presence is asked for as well;
  # StringLike is not.
  tag_conditions = [
    {
      test     = "StringLike"
      variable = "aws:RequestTag/tenantId"
      values   = ["?*"]
    },
    # What STS takes in a tag's value and no tenant id holds. "a/b" would be a folder of tenant "a".
    {
      test     = "StringNotLike"
      variable = "aws:RequestTag/tenantId"
      values   = ["*/*", "*.*", "*:*", "*=*", "*+*", "*@*", "* *"]
    },
    {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["tenantId"]
    },
    {
      test     = "ForAllValues:StringEquals"
      variable = "sts:TransitiveTagKeys"
      values   = ["tenantId"]
    },
    {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    },
    {
      test     = "Null"
      variable = "sts:TransitiveTagKeys"
      values   = ["false"]
    },
  ]
}

# The one role through which shared compute acts for a tenant. Dedicated buckets are not named
# here: each is opened to its tenant by its own policy, which holds the tenant's id literally.
resource "aws_iam_role" "this" {
  name                 = "${var.context.name_prefix}-tenant-access"
  path                 = "/"
  description          = "Acts for one tenant, named by the session tag tenantId"
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.assume_role.json

  lifecycle {
    precondition {
      condition     = length(data.aws_iam_policy_document.assume_role.minified_json) <= 2048
      error_message = "The trust policy has more than the 2,048 characters that AWS takes: trust fewer roles, or shorter names."
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "${var.context.name_prefix}-tenant-access"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}
