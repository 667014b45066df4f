"""Tasks, what a model learns from speech: an open folder with one task per file.

`task.py` is the contract, with `specs.py` (what a model takes and gives) and `results.py` (what tasks make of it).
Folders hold what tasks choose from or are built from: `objectives/`, `inputs/` and `decoding/` are open too, `parts/`
is code that several tasks share.
"""
