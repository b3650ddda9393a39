"""Taking each permission away in turn."""
