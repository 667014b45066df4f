"""Training recipes in YAML, one per file."""
