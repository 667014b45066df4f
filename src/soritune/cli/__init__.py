"""The command line: a file per group of verbs, each verb importing its own part when called."""
