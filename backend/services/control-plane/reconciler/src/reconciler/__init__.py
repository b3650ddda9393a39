"""Control plane: resumes tenants that are stuck in flight, and repairs those it is asked to."""
