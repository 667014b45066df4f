"""Open folder of decoders of CTC outputs: `decoder.py` is the contract, other files bind `DECODER`."""
