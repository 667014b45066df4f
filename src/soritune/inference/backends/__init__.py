"""Programs that run a model; every file that binds `BACKEND` is a member with the file's name."""
