"""Checking an export that was fetched, without AWS."""
