"""Open folder of kinds of inputs beside the waveform, their torch half; one file per kind binds `INPUT`."""
