variable "context" {
  description = "The output of modules/context."
  type = object({
    environment = string, name_prefix = string, account_id = string, region = string, partition = string
    zip_path    = string, log_retention_days = number, function_environment = map(string)
  })
}

variable "service" {
  description = "Name of the service. The function, its role, queue, log group, zip and Python package are named after it."
  type        = string

  # Lambda's names have 64 characters at most; "tenkacloud-<environment>-" takes up to 24 of them.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.service)) && length(var.service) <= 40
    error_message = "service must be lower-case letters, digits and single hyphens, at most 40 characters."
  }
}

variable "plane" {
  description = "The plane that the service belongs to. It is part of the role's path, and trust policies go by it."
  type        = string

  validation {
    condition     = contains(["control", "application"], var.plane)
    error_message = "plane must be control or application."
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

variable "policy_json" {
  description = "What the function may do besides writing its logs, its traces and to its dead-letter queue."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy_json).Statement)
    error_message = "policy_json must be a policy document."
  }
}

variable "environment_variables" {
  description = "The function's own environment variables. The module adds those every function has."
  type        = map(string)
  default     = {}

  # A clash would be settled silently, and not always as the caller meant.
  validation {
    condition = length(setintersection(keys(var.environment_variables), concat(
      ["POWERTOOLS_SERVICE_NAME", "DEAD_LETTER_QUEUE_URL"], keys(var.context.function_environment),
    ))) == 0
    error_message = "environment_variables must not hold a name that the module sets."
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

variable "synchronous" {
  description = "Whether whoever invokes the function waits for its answer. Such a function has no dead-letter queue."
  type        = bool
  default     = false
}

variable "dead_letter_source_arns" {
  description = "EventBridge rules that may send what they could not deliver to the function's dead-letter queue."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.dead_letter_source_arns) == 0 || !var.synchronous
    error_message = "A synchronous function has no dead-letter queue that a rule could send to."
  }

  validation {
    condition = alltrue([
      for arn in var.dead_letter_source_arns : can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:rule/[A-Za-z0-9._/-]+$", arn))
    ])
    error_message = "dead_letter_source_arns must be ARNs of EventBridge rules."
  }
}
