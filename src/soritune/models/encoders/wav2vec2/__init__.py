"""wav2vec2, HuBERT and WavLM: convolutions over the waveform, then a transformer."""

from soritune.models.encoders.wav2vec2.family import Wav2Vec2Family

ENCODER = Wav2Vec2Family()
