"""Tenant isolation: context, resource names, policies, sessions."""
