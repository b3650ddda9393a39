data "aws_iam_policy_document" "this" {
  statement {
    sid       = "RecordResult"
    actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
    resources = ["arn:${var.partition}:dynamodb:${var.region}:${var.account_id}:table/${var.table_name}"]
  }
}
