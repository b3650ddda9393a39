"""What operators do with tenants: one tool, `python -m scripts.operator`, behind the make targets."""
