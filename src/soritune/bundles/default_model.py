"""Which model of the package `soritune predict` uses when none is named. Imports nothing, for the command line."""

DEFAULT_MODEL = "soritune/tiny-ko"
"""`quickstart` and `demo` name their start in their YAML, beside the learning rates and epochs that go with it."""
