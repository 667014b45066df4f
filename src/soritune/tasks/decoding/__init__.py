"""Open: `decoder.py` is the contract; every other file that binds `DECODER` reads CTC outputs, by its file name."""
