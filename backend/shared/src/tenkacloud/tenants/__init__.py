"""Tenants: validation, lifecycle, keys, record, transitions, repository."""
