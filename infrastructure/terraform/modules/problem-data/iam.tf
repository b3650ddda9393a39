data "aws_iam_policy_document" "this" {
  # All that the function may do: whatever it reaches of a tenant, it reaches as that tenant.
  statement {
    sid = "ActForTenants"
    actions = [
      "sts:AssumeRole",
      "sts:SetSourceIdentity",
      "sts:TagSession",
    ]
    resources = [var.tenant_access_role_arn]
  }
}
