"""Logged values as a plain CSV file that survives a kill and continues without a gap or a repeat."""

import csv
import io
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from core.atomic import atomic_write

__all__ = ["MetricsLog"]


class MetricsLog(Logger):
    """``metrics.csv`` with the columns step, epoch, name, value: one row per value.

    Args:
        path: the file.
        resume_step: global step of the checkpoint that the run continues from; rows at or after it are dropped, because
            the resumed run will write them again. None starts a new file.
    """

    def __init__(self, path: Path, resume_step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._rows: list[str] = []
        self._begin(resume_step)

    @rank_zero_only
    def _begin(self, resume_step: int | None) -> None:
        """Write the file with the rows that stay; of several processes only the first has a log."""
        kept = ["step,epoch,name,value\n"]
        if resume_step is not None and self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                lines = file.read().splitlines(keepends=True)[1:]
            kept += [line for line in lines if line.endswith("\n") and int(line.split(",", 1)[0]) < resume_step]
        with atomic_write(self.path) as file:
            file.writelines(kept)

    @property
    def name(self) -> str:
        """Lightning's name for the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """There is one file per run."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Settings stand in the run's config.yaml."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep the values until `save`."""
        epoch = int(metrics.get("epoch", -1))
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        writer.writerows((step, epoch, name, repr(float(v))) for name, v in sorted(metrics.items()) if name != "epoch")
        self._rows.append(line.getvalue())

    @rank_zero_only
    def save(self) -> None:
        """Append what was logged since the last call."""
        if self._rows:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(self._rows)
            self._rows.clear()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()
