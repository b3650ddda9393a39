"""The embedded local AWS engine: MiniStack in an environment of its own, with a small extension of ours."""
