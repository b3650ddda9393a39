data "aws_iam_policy_document" "bucket" {
  statement {
    sid     = "DenyInsecureTransport"
    effect  = "Deny"
    actions = ["s3:*"] # a deny is complete only if it takes every action
    resources = [
      "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}",
      "arn:${var.context.partition}:s3:::${var.context.data_bucket_name}/*",
    ]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
