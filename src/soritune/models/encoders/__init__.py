"""What turns a waveform into frames; each family of encoders has a file or folder of its own."""
