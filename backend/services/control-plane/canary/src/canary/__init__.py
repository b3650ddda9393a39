"""Control plane: onboards the canary tenant again and again, and says whether that works."""
