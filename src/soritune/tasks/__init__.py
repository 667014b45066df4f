"""What can be learnt from speech; an open folder with one task a file."""
