"""The verbs of the flow, one file each: every stage reads files and writes files. The whole flow: `stages/run.py`."""
