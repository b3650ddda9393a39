"""What a tenant gets: one file for each step, found by `catalogue` (`docs/provisioners.md`)."""
