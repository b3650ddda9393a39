data "aws_iam_policy_document" "denials" {
  # A session without the tag gets nothing, whatever else may ever be attached to the role. These
  # denies take every action: they are complete only so.
  statement {
    sid       = "DenyWithoutTenant"
    effect    = "Deny"
    actions   = ["*"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "aws:PrincipalTag/tenantId"
      values   = ["true"]
    }
  }

  statement {
    sid       = "DenyEmptyTenant"
    effect    = "Deny"
    actions   = ["*"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/tenantId"
      values   = [""]
    }
  }

  # Also where a role's trust would name this one.
  statement {
    sid    = "DenyRoleChaining"
    effect = "Deny"
    actions = [
      "sts:AssumeRole",
      "sts:AssumeRoleWithSAML",
      "sts:AssumeRoleWithWebIdentity",
      "sts:GetFederationToken",
      "sts:SetSourceIdentity",
      "sts:TagSession",
    ]
    resources = ["*"]
  }

  # A bucket of ours that is deleted can be made again by anybody: names are global.
  statement {
    sid       = "DenyOtherAccountsBuckets"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "aws:ResourceAccount"
      values   = [var.context.account_id]
    }

    condition {
      test     = "Null"
      variable = "aws:ResourceAccount"
      values   = ["false"]
    }
  }
}
