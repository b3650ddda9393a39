"""A stack that is broken and mended under load."""
