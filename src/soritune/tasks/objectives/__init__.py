"""Open folder of objectives, their torch-free half; a file that binds `OBJECTIVE` adds one under its file name."""
