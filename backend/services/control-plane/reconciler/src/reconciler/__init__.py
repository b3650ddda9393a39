"""Control plane: retries tenants that are stuck in flight, and repairs those that a request names."""
