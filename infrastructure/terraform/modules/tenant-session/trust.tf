data "aws_iam_policy_document" "assume_role" {
  # Three statements, since AWS gives each of the three actions other condition keys. Only
  # sts:AssumeRole starts a session, so the roles are named there, once: a trust policy has room
  # for 2,048 characters. The other two actions are asked for within it and start nothing.
  # The account is named, and the roles are compared: a trust that names a role breaks when the
  # role is made anew. Every caller still needs a permission of its own.
  statement {
    sid     = "AssumeForOneTenant"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [local.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = var.trusted_role_arns
    }

    dynamic "condition" {
      for_each = local.tag_conditions

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }

    # Who asks stays on record in CloudTrail, also in sessions started from this one.
    condition {
      test     = "StringLike"
      variable = "sts:SourceIdentity"
      values   = ["${var.context.name_prefix}-*"]
    }
  }

  statement {
    sid     = "TagWithTheTenantOnly"
    actions = ["sts:TagSession"]

    principals {
      type        = "AWS"
      identifiers = [local.account]
    }

    dynamic "condition" {
      for_each = local.tag_conditions

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid     = "NameTheService"
    actions = ["sts:SetSourceIdentity"]

    principals {
      type        = "AWS"
      identifiers = [local.account]
    }

    condition {
      test     = "StringLike"
      variable = "sts:SourceIdentity"
      values   = ["${var.context.name_prefix}-*"]
    }
  }
}
