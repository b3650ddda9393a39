# What each step of a provisioning may do, of those in `tenkacloud.provisioners`: a new step is one entry here.
# The functions that make, move and remove tenants' resources take it from the three documents that are put out.
locals {
  silo_bucket_arn = "arn:${var.context.partition}:s3:::${var.context.name_prefix}-silo-*"

  # By the name of the statement. `ensure`: what makes it; `remove`: what takes it away again; `remains`: what
  # looks for it afterwards, beside that. None of them reaches the data in it: that is the maintenance role's.
  # `of_this_account` is for names that are global, and that somebody else may have taken first.
  steps = {
    # Only the marker of a tenant's prefix. It goes with the prefix.
    MarkPoolTenant = {
      resources = ["arn:${var.context.partition}:s3:::${var.context.data_bucket_name}/tenants/*/.tenkacloud.json"]
      ensure    = ["s3:PutObject"]
    }

    # A bucket that is not there yet has no account.
    CreateSiloBucket = {
      resources = [local.silo_bucket_arn]
      ensure    = ["s3:CreateBucket"]
    }

    HardenSiloBucket = {
      resources       = [local.silo_bucket_arn]
      of_this_account = true
      ensure = [
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketTagging",
        "s3:GetEncryptionConfiguration",
        "s3:ListBucket",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketTagging",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
      ]
    }

    DeleteSiloBucket = {
      resources       = [local.silo_bucket_arn]
      of_this_account = true
      remove = [
        "s3:DeleteBucket",
        "s3:GetBucketPolicy",
        "s3:GetBucketTagging",
        "s3:ListBucket",
        "s3:PutBucketPolicy",
        "s3:PutBucketTagging",
      ]
    }

    TenantLogGroup = {
      resources = ["arn:${var.context.partition}:logs:${var.context.region}:${var.context.account_id}:log-group:/tenkacloud/${var.context.environment}/tenants/*"]
      ensure    = ["logs:CreateLogGroup", "logs:ListTagsForResource", "logs:PutRetentionPolicy", "logs:TagResource"]
      remove    = ["logs:DeleteLogGroup", "logs:ListTagsForResource"]
      remains   = ["logs:DescribeLogStreams"]
    }
  }

  phases = {
    for phase, phases in { ensure = ["ensure"], move = ["ensure", "remove"], offboard = ["remove", "remains"] } : phase => {
      for name, step in local.steps : name => {
        actions         = sort(distinct(flatten([for each in phases : lookup(step, each, [])])))
        resources       = step.resources
        of_this_account = lookup(step, "of_this_account", false)
      } if anytrue([for each in phases : contains(keys(step), each)])
    }
  }
}

data "aws_iam_policy_document" "this" {
  for_each = local.phases

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = statement.value.of_this_account ? [var.context.account_id] : []

        content {
          test     = "StringEquals"
          variable = "aws:ResourceAccount"
          values   = [condition.value]
        }
      }
    }
  }
}
