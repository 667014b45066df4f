"""Whisper's encoder: log-mel spectrogram, two convolutions, fixed positions, a transformer."""

from soritune.models.encoders.whisper.family import WhisperFamily

ENCODER = WhisperFamily()
