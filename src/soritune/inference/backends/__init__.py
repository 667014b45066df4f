"""What runs a model's arithmetic; every file that binds `BACKEND` is one, by its file name."""
