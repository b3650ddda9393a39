"""The local AWS: the embedded engine and its life."""
