"""What operators do with tenants: one tool, `python -m scripts.operations`, behind the make targets."""
