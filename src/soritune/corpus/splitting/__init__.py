"""Splits, folds, balance, and parts of splits; speakers stay apart."""
