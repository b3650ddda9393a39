data "aws_iam_policy_document" "assume_role" {
  statement {
    sid     = "LambdaRunsAsThisRole"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  source_policy_documents = [var.policy_json]

  # The log group is Terraform's, so the function may not create any.
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ]
    resources = ["${local.log_group_arn}:*"]
  }

  # X-Ray knows no resources for these two actions: IAM accepts only "*".
  statement {
    sid = "WriteTraces"
    actions = [
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    resources = ["*"]
  }

  # Lambda sends to on-failure destinations with the function's role.
  dynamic "statement" {
    for_each = var.synchronous ? [] : [local.dead_letter_queue_arn]

    content {
      sid       = "SendToDeadLetterQueue"
      actions   = ["sqs:SendMessage"]
      resources = [statement.value]
    }
  }
}

# No deny of insecure transport here: the local endpoint speaks plain http, and the only
# principals that can reach the queue are in this account.
data "aws_iam_policy_document" "dead_letter_queue" {
  statement {
    sid       = "RulesSendWhatTheyCouldNotDeliver"
    actions   = ["sqs:SendMessage"]
    resources = [local.dead_letter_queue_arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = var.dead_letter_source_arns
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.function_name
  path               = "/tenkacloud/${var.context.environment}/${var.plane}-plane/"
  assume_role_policy = data.aws_iam_policy_document.assume_role.json
}

resource "aws_iam_role_policy" "this" {
  name   = local.function_name
  role   = aws_iam_role.this.name
  policy = data.aws_iam_policy_document.this.json
}
