"""Numbers of Whisper's log-mel spectrogram (Radford et al. 2022, section 2.1)."""

SAMPLE_RATE_HZ = 16000
FFT_SAMPLES, HOP_SAMPLES = 400, 160
"""Window and step: 25 ms and 10 ms."""
