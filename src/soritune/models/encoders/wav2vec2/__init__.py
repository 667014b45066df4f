"""wav2vec2, HuBERT and WavLM."""
