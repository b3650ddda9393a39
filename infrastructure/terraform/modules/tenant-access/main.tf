locals {
  # Built from names, so that every policy is fully known in the plan and can be proved there.
  bucket_arn     = "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}"
  table_arn      = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.table_name}"
  data_table_arn = "arn:${var.context.partition}:dynamodb:${var.context.region}:${var.context.account_id}:table/${var.context.data_table_name}"

  # An IAM policy variable: IAM fills in the tag of the session that asks.
  tenant_id     = "$${aws:PrincipalTag/tenantId}"
  partition_key = "TENANT#${local.tenant_id}"
}

module "session" {
  source = "../tenant-session"

  context           = var.context
  trusted_role_arns = var.trusted_role_arns
}

# The one role through which shared compute acts for a tenant. Dedicated buckets are not named
# here: each is opened to its tenant by its own policy, which holds the tenant's id literally.
resource "aws_iam_role" "this" {
  name                 = "${var.context.name_prefix}-tenant-access"
  path                 = "/"
  description          = "Acts for one tenant, named by the session tag tenantId"
  max_session_duration = 3600
  assume_role_policy   = module.session.assume_role_policy_json

}

resource "aws_iam_role_policy" "this" {
  name   = "${var.context.name_prefix}-tenant-access"
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}
