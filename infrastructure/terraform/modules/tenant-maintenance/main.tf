# The role through which tenants' data is moved, exported and purged. Its trust and policy come with the code
# that uses it; until then it lets nobody in.
data "aws_iam_policy_document" "assume_role" {
  statement {
    sid     = "NobodyYet"
    effect  = "Deny"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${var.context.partition}:iam::${var.context.account_id}:root"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.context.name_prefix}-tenant-maintenance"
  path               = "/"
  assume_role_policy = data.aws_iam_policy_document.assume_role.json
}
