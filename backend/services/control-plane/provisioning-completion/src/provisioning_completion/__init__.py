"""Control plane: result → COMPLETED or FAILED on the tenant record."""
