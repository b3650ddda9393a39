"""Building, Terraform, virtual environments: what the make targets are made of."""
