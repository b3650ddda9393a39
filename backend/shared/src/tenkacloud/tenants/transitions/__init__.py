"""The changes that are made to a tenant record, one file per workflow. Pure."""
