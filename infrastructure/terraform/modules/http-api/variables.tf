variable "context" {
  description = "The output of modules/context."
  type        = object({ account_id = string, region = string, partition = string, log_retention_days = number })
}

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
