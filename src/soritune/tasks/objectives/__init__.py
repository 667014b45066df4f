"""Objectives, the torch-free half; every file that binds `OBJECTIVE` is a member, by its file name."""
