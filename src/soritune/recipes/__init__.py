"""Training systems as YAML, one a file."""
