"""Application plane: an onboarding request → the tenant's resources → its result."""
