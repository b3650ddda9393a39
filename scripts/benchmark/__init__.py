"""The benchmark: what the flow takes, beside a baseline that makes just the calls it can't do without."""
