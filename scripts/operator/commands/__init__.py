"""What the user may type: one file for each group of commands."""
