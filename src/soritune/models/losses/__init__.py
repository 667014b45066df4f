"""Objectives, the torch half; every file that binds `LOSS` is one, under the name of its objective."""
