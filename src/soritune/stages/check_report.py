"""What a check measured, beside checked.parquet: by row, as a summary in JSON, and as a page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soritune.corpus.check_summary import remarks, save_measures, summarise
from soritune.corpus.checks import CheckResult
from soritune.corpus.file_names import CHECK_FILE, CHECK_PAGE, MEASURES_FILE
from soritune.corpus.row_check import CheckSettings
from soritune.corpus.splitting.splits import Splits
from soritune.reports.check_page import write_check_page
from soritune.whole_file import remove_leftovers, write_text


@dataclass
class CheckReport:
    """Summarises a check when it is called with the result, and writes the report into `folder`, if any."""

    detector: str | None
    """What finds speech; None if it is not searched."""
    folder: Path | None
    title: str = ""
    splits: Splits | None = None
    remarks: dict[str, int] = field(default_factory=dict)
    """Remark → number of utterances that are suspicious."""
    overlap: dict[str, dict[str, float]] | None = None
    page: Path | None = None

    def __call__(self, result: CheckResult, settings: CheckSettings) -> None:
        """Summarises a result.

        Raises:
            OutputError: a file cannot be written.
        """
        summary: dict[str, Any] = summarise(result, settings, vad=self.detector, splits=self.splits)
        self.remarks, self.overlap = remarks(summary), summary["overlap"]
        if self.folder is None:
            return
        for name in (MEASURES_FILE, CHECK_FILE, CHECK_PAGE):
            remove_leftovers(self.folder / name)
        save_measures(self.folder, result)
        write_text(self.folder / CHECK_FILE, json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
        self.page = write_check_page(self.folder / CHECK_PAGE, summary, self.title, result.clean.root)
