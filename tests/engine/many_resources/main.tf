# Many small resources, to be applied against the local engine: each takes a few calls.
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

variable "endpoint" {
  description = "The local endpoint that stands for AWS."
  type        = string
}

variable "resources" {
  description = "How many."
  type        = number
}

variable "value" {
  description = "What all of them hold."
  type        = string
}

provider "aws" {
  region                      = "ap-northeast-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true

  endpoints {
    ssm = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_ssm_parameter" "this" {
  count = var.resources

  name  = "/many/${count.index}"
  type  = "String"
  value = var.value
}
