variable "region" {
  description = "The AWS region of this environment."
  type        = string
  default     = "ap-northeast-1"
}

# Handed on to modules/stack, which describes them; they are validated where they are used.
variable "jwt_issuer" { type = string }

variable "jwt_audience" { type = list(string) }

variable "tenant_claim" {
  type    = string
  default = "custom:tenantId"
}

variable "alarm_topic_arns" {
  type    = list(string)
  default = []
}
