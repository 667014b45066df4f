"""Tasks, what a model learns from speech: an open folder with one task per file.

`task.py` is the contract, with `specs.py` (inputs and outputs of a model) and `results.py` (predictions, counts,
tables). `labels.py` and `mixable.py` serve all tasks, `phones/` the tasks about phones. `objectives/`, `inputs/` and
`decoding/` are open folders too.
"""
