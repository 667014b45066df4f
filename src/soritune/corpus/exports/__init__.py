"""One file per layout that manifests are written in; the contract is `export.py`."""
