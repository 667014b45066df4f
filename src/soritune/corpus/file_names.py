"""Names of the files of a prepared corpus."""

MANIFEST_FILE, CHECKED_FILE = "manifest.parquet", "checked.parquet"
SPLITS_FILE, QUARANTINE_FILE = "splits.parquet", "quarantine.jsonl"
AUDIO_HASHES_FILE = "audio_hashes.parquet"
"""All rows, those that can be used, their splits, what was left out, and hashes of the samples of the rows that can be
used."""
CHECK_PARTS_FOLDER, MEASURES_FILE = "check_parts", "measures.parquet"
CHECK_FILE, CHECK_PAGE = "check.json", "check.html"
"""A check that is under way, and what it measured: by row, as a summary, and as a page."""
PREPARE_PARTS_FOLDER = "prepare_parts"
"""What headers state, while a cluster reads them."""
