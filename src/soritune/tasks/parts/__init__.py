"""Parts of tasks: label sets, languages, annotations and report tables. Tasks themselves are one folder above."""
