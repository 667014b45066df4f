"""Objectives, the torch half; every file that binds `LOSS` is a member, under the name of its objective."""
