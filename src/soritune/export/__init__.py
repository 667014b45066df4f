"""Trained models in the formats of other programs; one file per format binds `EXPORTER`."""
