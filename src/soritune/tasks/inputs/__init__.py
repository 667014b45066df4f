"""Open folder of kinds of inputs beside the waveform, their torch-free half; one file per kind binds `INPUT`."""
