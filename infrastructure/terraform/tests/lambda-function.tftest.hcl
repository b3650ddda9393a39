provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

# A queue's URL is known only once it exists.
override_resource {
  target          = aws_sqs_queue.dead_letter
  override_during = plan
  values = {
    url = "https://sqs.ap-northeast-1.amazonaws.com/123456789012/tenkacloud-dev-example-dlq"
  }
}

variables {
  context = {
    environment          = "dev"
    name_prefix          = "tenkacloud-dev"
    account_id           = "123456789012"
    region               = "ap-northeast-1"
    partition            = "aws"
    zip_path             = "versions.tf" # stands for a zip: a plan only hashes it
    log_retention_days   = 30
    function_environment = { POWERTOOLS_LOG_LEVEL = "INFO" }
  }
  service               = "example"
  plane                 = "control"
  description           = "An example"
  environment_variables = { TABLE_NAME = "TenkaCloud-dev" }
  policy_json           = jsonencode({ Version = "2012-10-17", Statement = [] })
}

run "function_of_its_own" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    policy_json = jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Sid      = "Own"
        Effect   = "Allow"
        Action   = "dynamodb:UpdateItem"
        Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
      }]
    })
    dead_letter_source_arns = ["arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/a-rule"]
  }

  assert {
    condition = (
      aws_lambda_function.this.function_name == "tenkacloud-dev-example"
      && aws_lambda_function.this.runtime == "python3.13"
      && aws_lambda_function.this.architectures == tolist(["arm64"])
      && aws_lambda_function.this.handler == "example.handler.handler"
      && aws_lambda_function.this.timeout == 60
      && aws_lambda_function.this.memory_size == 256
      && aws_lambda_function.this.reserved_concurrent_executions == -1
      && aws_lambda_function.this.tracing_config[0].mode == "Active"
      && aws_lambda_function.this.source_code_hash == filebase64sha256("versions.tf")
    )
    error_message = "The function must run its zip as asked, traced, and change when the zip does."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      TABLE_NAME              = "TenkaCloud-dev"
      POWERTOOLS_SERVICE_NAME = "tenkacloud-dev-example"
      POWERTOOLS_LOG_LEVEL    = "INFO"
      DEAD_LETTER_QUEUE_URL   = "https://sqs.ap-northeast-1.amazonaws.com/123456789012/tenkacloud-dev-example-dlq"
    })
    error_message = "The function must get the caller's variables, Powertools' and its queue's URL."
  }

  assert {
    condition = jsondecode(output.configuration.policy_json) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "Own"
          Effect   = "Allow"
          Action   = "dynamodb:UpdateItem"
          Resource = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/TenkaCloud-dev"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:PutLogEvents", "logs:CreateLogStream"]
          Resource = "arn:aws:logs:ap-northeast-1:123456789012:log-group:/aws/lambda/tenkacloud-dev-example:*"
        },
        {
          Sid      = "WriteTraces"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = "*"
        },
        {
          Sid      = "SendToDeadLetterQueue"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-dlq"
        },
      ]
    }
    error_message = "The role must hold the caller's statements and the three every function needs."
  }

  assert {
    condition = (
      aws_iam_role.this.name == "tenkacloud-dev-example"
      && aws_iam_role.this.path == "/tenkacloud/dev/control-plane/"
      && aws_iam_role_policy.this.role == "tenkacloud-dev-example"
      && jsondecode(aws_iam_role_policy.this.policy) == jsondecode(output.configuration.policy_json)
      && output.function.role_name == "tenkacloud-dev-example"
    )
    error_message = "The role must lie under its plane's path and carry that policy."
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Sid       = "LambdaRunsAsThisRole"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
    error_message = "Only Lambda may run as the role."
  }

  assert {
    condition = (
      aws_sqs_queue.dead_letter[0].name == "tenkacloud-dev-example-dlq"
      && aws_sqs_queue.dead_letter[0].message_retention_seconds == 1209600
      && aws_sqs_queue.dead_letter[0].sqs_managed_sse_enabled
      && output.function.dead_letter_queue_arn == "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-dlq"
    )
    error_message = "The dead letter queue must keep what failed for 14 days, encrypted."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter[0].policy).Statement == [{
      Sid       = "RulesSendWhatTheyCouldNotDeliver"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:ap-northeast-1:123456789012:tenkacloud-dev-example-dlq"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/a-rule" } }
    }]
    error_message = "Only the named rules may send to the queue."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/tenkacloud-dev-example" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "Logs must go where Lambda writes them and end after the retention."
  }
}

run "other_limits" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    timeout      = 30
    memory_size  = 512
    architecture = "x86_64"
    context = {
      environment          = "dev"
      name_prefix          = "tenkacloud-dev"
      account_id           = "123456789012"
      region               = "ap-northeast-1"
      partition            = "aws"
      zip_path             = "versions.tf" # stands for a zip: a plan only hashes it
      log_retention_days   = 30
      function_environment = { POWERTOOLS_LOG_LEVEL = "DEBUG" }
    }

    reserved_concurrent_executions = 3
  }

  assert {
    condition = (
      aws_lambda_function.this.timeout == 30
      && aws_lambda_function.this.memory_size == 512
      && output.configuration.reserved_concurrent_executions == 3
      && aws_lambda_function.this.architectures == tolist(["x86_64"])
      && aws_lambda_function.this.environment[0].variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    )
    error_message = "The function must have the limits it was given."
  }
}

run "synchronous" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    synchronous = true
  }

  assert {
    condition = (
      length(aws_sqs_queue.dead_letter) == 0
      && output.function.dead_letter_queue_arn == null
      && output.function.dead_letter_queue_url == null
      && output.configuration.dead_letter_queue_policy_json == null
      && keys(aws_lambda_function.this.environment[0].variables) == tolist(["POWERTOOLS_LOG_LEVEL", "POWERTOOLS_SERVICE_NAME", "TABLE_NAME"])
      && [for statement in jsondecode(output.configuration.policy_json).Statement : statement.Sid] == ["WriteLogs", "WriteTraces"]
    )
    error_message = "A function whose callers wait must have no dead letter queue, nor a permission for one."
  }
}

# One run for all of them, since each run costs a second: every variable named below has to
# reject its value, and nothing else may fail.
run "wrong_values_are_rejected" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    service                        = "Example"
    plane                          = "data"
    description                    = ""
    environment_variables          = { DEAD_LETTER_QUEUE_URL = "https://example.com/queue" }
    policy_json                    = "{}"
    timeout                        = 901
    memory_size                    = 64
    reserved_concurrent_executions = 0
    architecture                   = "i386"
    dead_letter_source_arns        = ["arn:aws:sns:ap-northeast-1:123456789012:anything"]
  }

  expect_failures = [
    var.service,
    var.plane,
    var.description,
    var.environment_variables,
    var.policy_json,
    var.timeout,
    var.memory_size,
    var.reserved_concurrent_executions,
    var.architecture,
    var.dead_letter_source_arns,
  ]
}

run "a_variable_of_every_function_is_rejected" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    environment_variables = { POWERTOOLS_LOG_LEVEL = "DEBUG" }
  }

  expect_failures = [
    var.environment_variables,
  ]
}

run "a_synchronous_function_has_no_queue_to_send_to" {
  command = plan

  module {
    source = "../modules/lambda-function"
  }

  variables {
    synchronous             = true
    dead_letter_source_arns = ["arn:aws:events:ap-northeast-1:123456789012:rule/tenkacloud-dev-tenant-events/a-rule"]
  }

  expect_failures = [var.dead_letter_source_arns]
}
