"""Open folder of families of encoders: a file or folder per family binds `ENCODER`."""
