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

data "aws_iam_policy_document" "this" {
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
