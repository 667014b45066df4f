"""Open folder of objectives, their torch half; a file that binds `LOSS` has the name of its objective."""
