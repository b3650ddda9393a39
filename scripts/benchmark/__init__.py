"""The benchmark: what the flow takes, beside bare handlers that make just the calls it can't do without."""
