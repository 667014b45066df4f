"""Utterances, manifests, checks, splits, and the sources corpora come from."""
