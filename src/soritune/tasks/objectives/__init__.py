"""Objectives, the torch-free half; every file that binds `OBJECTIVE` is one, by its file name."""
