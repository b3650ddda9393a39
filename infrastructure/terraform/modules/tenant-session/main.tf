# What the two roles whose sessions are one tenant's have in common: who may start a session and how, and what
# none may do.
locals {
  account = "arn:${var.context.partition}:iam::${var.context.account_id}:root"

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
