"""What a model does with its inputs beside the waveform; each kind of input has a file of its own."""
