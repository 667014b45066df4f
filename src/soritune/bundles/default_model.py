"""Which model of the package `soritune predict` uses when none is named. Imports nothing, for the command line."""

DEFAULT_MODEL = "soritune/tiny-ko"
"""Not the start of `quickstart` and `demo`: their YAML names it, beside the learning rates and epochs that go with it."""
