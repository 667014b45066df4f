"""Names of the files of a prepared corpus."""

MANIFEST_FILE, CHECKED_FILE = "manifest.parquet", "checked.parquet"
SPLITS_FILE, QUARANTINE_FILE = "splits.parquet", "quarantine.jsonl"
AUDIO_HASHES_FILE = "audio_hashes.parquet"
"""All rows, those that can be used, their splits, what was left out, and hashes of the samples of the rows that can be
used."""
