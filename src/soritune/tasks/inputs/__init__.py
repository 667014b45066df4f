"""What a model reads beside the waveform, without torch; each kind of input has a file of its own."""
