"""Which model of the package `soritune predict` uses when none is named. Imports nothing, for the command line."""

DEFAULT_MODEL = "soritune/ko-base"
"""The start of `quickstart` and `demo` is another choice: their YAML has it, beside learning rates that go with it."""
