variable "function_name" {
  description = "Name of the function. Its role, queue and log group are named after it."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}-[a-z][a-z0-9-]*[a-z0-9]$", var.function_name)) && length(var.function_name) <= 64
    error_message = "function_name must be tenkacloud-<environment>-<thing>, at most 64 characters."
  }
}

variable "description" {
  description = "What the function does, in one sentence."
  type        = string

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 256
    error_message = "description must be 1 to 256 characters."
  }
}

variable "zip_path" {
  description = "Path of the function's zip."
  type        = string

  validation {
    condition     = length(var.zip_path) > 0
    error_message = "zip_path must not be empty."
  }
}

variable "handler" {
  description = "The entry point: <package>.<module>.<function>."
  type        = string

  validation {
    condition     = can(regex("^[a-z_][a-z0-9_]*(\\.[a-z_][a-z0-9_]*)+$", var.handler))
    error_message = "handler must be a dotted Python name such as provisioning.handler.handler."
  }
}

variable "environment_variables" {
  description = "The function's own environment variables. The module adds those every function has."
  type        = map(string)
  default     = {}

  # A clash would be settled silently, and not always as the caller meant.
  validation {
    condition = length(setintersection(keys(var.environment_variables), [
      "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL", "DEAD_LETTER_QUEUE_URL",
    ])) == 0
    error_message = "environment_variables must not hold a name that the module sets."
  }
}

variable "policy_json" {
  description = "What the function may do besides writing its logs, its traces and to its dead letter queue."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy_json).Statement)
    error_message = "policy_json must be a policy document."
  }
}

variable "role_path" {
  description = "Path of the function's role. It names the plane, and trust policies go by it."
  type        = string

  validation {
    condition     = can(regex("^/tenkacloud/[a-z][a-z0-9]{1,11}/(control|application)-plane/$", var.role_path))
    error_message = "role_path must be /tenkacloud/<environment>/control-plane/ or /tenkacloud/<environment>/application-plane/."
  }
}

variable "timeout" {
  description = "How long one invocation may take, in seconds."
  type        = number
  default     = 60

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout must be a whole number from 1 to 900."
  }
}

variable "memory_size" {
  description = "Memory of the function, in MB."
  type        = number
  default     = 256

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number from 128 to 10240."
  }
}

variable "reserved_concurrent_executions" {
  description = "How many invocations may run at a time, taken from the account's; -1 for no limit of its own."
  type        = number
  default     = -1

  # Not 0: it would switch the function off.
  validation {
    condition     = var.reserved_concurrent_executions == -1 || (var.reserved_concurrent_executions >= 1 && var.reserved_concurrent_executions <= 1000 && floor(var.reserved_concurrent_executions) == var.reserved_concurrent_executions)
    error_message = "reserved_concurrent_executions must be -1 or a whole number from 1 to 1000."
  }
}

variable "architecture" {
  description = "Processor architecture. The zips are pure Python and run on either."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept, in days."
  type        = number

  # Only the values CloudWatch Logs knows. 0, which would keep logs for ever, is not one of them.
  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "log_retention_days must be a retention that CloudWatch Logs offers, such as 14, 30 or 365."
  }
}

variable "log_level" {
  description = "The lowest level that is logged."
  type        = string

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "synchronous" {
  description = "Whether whoever invokes the function waits for its answer. Such a function has no dead letter queue."
  type        = bool
  default     = false
}

variable "dead_letter_source_arns" {
  description = "EventBridge rules that may send what they could not deliver to the function's dead letter queue."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.dead_letter_source_arns) == 0 || !var.synchronous
    error_message = "A synchronous function has no dead letter queue that a rule could send to."
  }

  validation {
    condition = alltrue([
      for arn in var.dead_letter_source_arns : can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:rule/[A-Za-z0-9._/-]+$", arn))
    ])
    error_message = "dead_letter_source_arns must be ARNs of EventBridge rules."
  }
}

variable "account_id" {
  description = "The AWS account the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "The AWS region the resources live in."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region name such as ap-northeast-1."
  }
}

variable "partition" {
  description = "The AWS partition the resources live in."
  type        = string

  validation {
    condition     = contains(["aws", "aws-cn", "aws-us-gov"], var.partition)
    error_message = "partition must be aws, aws-cn or aws-us-gov."
  }
}
