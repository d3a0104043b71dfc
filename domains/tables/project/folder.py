"""The project folder: everything that one integration is made of, in one place that can be moved and kept."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import OperationError, UserError
from domains.tables.data.locate import Location
from domains.tables.project.decisions import Decision, DecisionLog, active
from domains.tables.project.results import StepRecord, hash_file, read_record
from domains.tables.project.settings import ProjectSettings, read_settings

__all__ = ["STEPS", "Project"]

STEPS = ("init", "align", "block", "match", "cluster", "resolve")
"""Steps that leave a result, in the order of the flow."""


@dataclass(frozen=True)
class Project:
    """A folder with

    - ``project.yaml``: settings, to be edited; ``mapping.yaml``: which columns belong together, to be edited;
    - ``raw/``: the input files, byte for byte; they are never written again;
    - ``steps/<step>/``: the result of each step as Parquet and JSON, with ``step.json`` about what it was made from;
    - ``decisions.jsonl``: what people decided; ``log.jsonl``: what was done when. Lines are only added to both.
    - ``entities.parquet``: the id of the entity of each row, so that ids stay the same.

    Attributes:
        path: the folder.
    """  # noqa: D415 (the sentence goes on in the list)

    path: Path

    @classmethod
    def open(cls, path: str | Path) -> Project:
        """An existing project.

        Raises:
            UserError: the folder is no project.
        """
        project = cls(Path(path))
        if not project.settings_path.is_file():
            raise UserError(
                f"{path} is no project (it has no project.yaml); make one with: "
                f"counterpoint tables init {path} A.csv B.csv"
            )
        return project

    @property
    def settings_path(self) -> Path:
        """``project.yaml``."""
        return self.path / "project.yaml"

    @property
    def mapping_path(self) -> Path:
        """``mapping.yaml``."""
        return self.path / "mapping.yaml"

    @property
    def entities_path(self) -> Path:
        """``entities.parquet``."""
        return self.path / "entities.parquet"

    @property
    def raw_path(self) -> Path:
        """The folder of the input files."""
        return self.path / "raw"

    @property
    def settings(self) -> ProjectSettings:
        """What ``project.yaml`` says now."""
        return read_settings(self.settings_path)

    @property
    def kept(self) -> list[Location]:
        """Files that no result may replace: the inputs where they come from, their copies, and the project's own."""
        own = [self.settings_path, self.mapping_path, self.entities_path, self.decisions.path, self.path / "log.jsonl"]
        files = [*own, *sorted(self.raw_path.rglob("*"))]
        return [*(Location.of(source.path) for source in self.settings.sources), *(Location.of(str(f)) for f in files)]

    @property
    def decisions(self) -> DecisionLog:
        """What people decided."""
        return DecisionLog(self.path / "decisions.jsonl")

    def active_decisions(self) -> list[Decision]:
        """Decisions that count, oldest first."""
        return active(self.decisions.read()[0])

    def step_path(self, step: str) -> Path:
        """Folder of the result of a step."""
        return self.path / "steps" / step

    def record(self, step: str) -> StepRecord | None:
        """What is known of the result of a step, or None where it was not run."""
        return read_record(self.step_path(step))

    def finished(self, step: str) -> StepRecord:
        """The record of a step that was run.

        Raises:
            UserError: it was not run.
        """
        record = self.record(step)
        if record is None:
            raise UserError(f"{step} has no result yet; run: counterpoint tables {step} {self.path}")
        return record

    def file(self, step: str, name: str) -> Path:
        """A file of the result of a step, which is as the step wrote it.

        Raises:
            UserError: the step was not run, or the file was changed since, or is gone.
        """
        path, outputs = self.step_path(step) / name, self.finished(step).outputs
        again = f"run: counterpoint tables {step} {self.path}"
        if not path.is_file():
            raise UserError(f"{path} is gone; {again}")
        if hash_file(path) != outputs.get(name):
            raise UserError(f"{path} is not as the step {step} wrote it; {again}")
        return path

    def read_frame(self, step: str, name: str) -> pd.DataFrame:
        """A table of the result of a step.

        Raises:
            UserError: see `file`.
        """
        return pd.read_parquet(self.file(step, name))

    def read_json(self, step: str, name: str) -> Any:
        """What a JSON file of the result of a step says.

        Raises:
            UserError: see `file`.
        """
        return json.loads(self.file(step, name).read_text("utf-8"))

    def log(self, event: str, **facts: Any) -> None:
        """Add a line to ``log.jsonl``.

        Args:
            event: what was done.
            **facts: about it.

        Raises:
            OperationError: the file cannot be written.
        """
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        text = json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
        path = self.path / "log.jsonl"
        try:
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, text)
            finally:
                os.close(file)
        except OSError as error:
            raise OperationError(f"cannot write {path}: {error.strerror or error}") from error
