"""The speech factory: a manifest made by `audio/synthesis`, voice by voice."""
