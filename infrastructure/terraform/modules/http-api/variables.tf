variable "name" {
  description = "Name of the API: tenkacloud-<environment>-<thing>."
  type        = string

  validation {
    condition     = can(regex("^tenkacloud-[a-z][a-z0-9]{1,11}-[a-z][a-z0-9-]*[a-z0-9]$", var.name))
    error_message = "name must be tenkacloud-<environment>-<thing>."
  }
}

variable "description" {
  description = "What the API serves, in one sentence."
  type        = string

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 1024
    error_message = "description must be 1 to 1024 characters."
  }
}

variable "jwt_issuer" {
  description = "Who signs the clients' tokens: the URL that stands in their iss claim, of any OpenID Connect provider."
  type        = string

  validation {
    condition     = startswith(var.jwt_issuer, "https://")
    error_message = "jwt_issuer must be an https:// URL."
  }
}

variable "jwt_audience" {
  description = "For whom the tokens are: one of these must be in their aud or client_id claim."
  type        = list(string)

  # Without one, API Gateway would take every token of the issuer, whatever it was made for.
  validation {
    condition     = length(var.jwt_audience) > 0 && alltrue([for audience in var.jwt_audience : length(audience) > 0])
    error_message = "jwt_audience must name at least one audience, and no empty one."
  }
}

variable "throttling_rate_limit" {
  description = "Requests a second that each route takes in the long run."
  type        = number
  default     = 500

  validation {
    condition     = var.throttling_rate_limit > 0
    error_message = "throttling_rate_limit must be above 0."
  }
}

variable "throttling_burst_limit" {
  description = "Requests that each route takes at once."
  type        = number
  default     = 500

  validation {
    condition     = var.throttling_burst_limit > 0 && floor(var.throttling_burst_limit) == var.throttling_burst_limit
    error_message = "throttling_burst_limit must be a whole number above 0."
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
