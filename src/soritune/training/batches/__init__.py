"""From manifest rows to padded tensors, in an order that is a pure function of four integers."""
