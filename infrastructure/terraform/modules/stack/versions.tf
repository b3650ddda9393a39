# It has no resource of its own from which Terraform could tell what its modules need: whoever calls it hands
# on this provider.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}
