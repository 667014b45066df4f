"""The speech factory: sentences, their phones, voices and rooms drawn from a seed, and the corpus they become."""
