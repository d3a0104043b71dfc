"""What a run leaves on disk: its settings first, its result last."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from core.atomic import atomic_write, make_folder
from core.errors import UserError

__all__ = ["RunFolder"]


@dataclass(frozen=True)
class RunFolder:
    """``config.yaml``, ``metrics.csv``, ``tensorboard/``, ``checkpoints/``, ``model/``, ``result.json``.

    Attributes:
        path: the folder.
    """

    path: Path

    def open(self, config: dict[str, Any], *, resume: bool) -> None:
        """Begin a run, or continue the one that is there.

        Args:
            config: everything that decides the outcome, JSON-able.
            resume: continue; a folder that does not exist yet is begun.

        Raises:
            UserError: the folder holds something and ``resume`` is off, or it holds a run with other settings; how it
                is scored may change until it is finished.
            OperationError: the folder cannot be made or written.
        """
        stored = self.path / "config.yaml"
        if self.path.is_dir() and any(self.path.iterdir()):
            if not resume:
                raise UserError(
                    f"{self.path} is not empty; continue that run with --resume, or give another folder with --out"
                )
            if stored.exists():
                finished = self.read_result() is not None
                self._compare(config, stored, finished)
                if finished:
                    return
        make_folder(self.path)
        with atomic_write(stored) as file:
            yaml.safe_dump(config, file, sort_keys=False)

    def _compare(self, config: dict[str, Any], stored: Path, finished: bool) -> None:
        try:
            old = yaml.safe_load(stored.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(
                f"{stored} cannot be read ({error}); delete the run folder or give another --out"
            ) from error
        before, now = _flat(old), _flat(json.loads(json.dumps(config)))
        # these do not change any number; how the run is scored changes none that is there yet
        loose = ("fit.progress", "fit.checkpoint_seconds", *(() if finished else ("evaluate.",)))
        differing = [
            f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
            for key in sorted(before.keys() | now.keys())
            if not key.startswith(loose) and before.get(key) != now.get(key)
        ]
        if differing:
            raise UserError(
                f"{stored} holds a run with other settings ({'; '.join(differing)}); resume with the same ones, "
                "or give another folder with --out"
            )

    def read_result(self) -> dict[str, Any] | None:
        """The result of a finished run; None if it is not finished.

        Raises:
            UserError: result.json is not JSON.
        """
        path = self.path / "result.json"
        if not path.exists():
            return None
        try:
            result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{path} is damaged ({error}); delete it and run again with --resume") from error
        return result

    def write_result(self, result: dict[str, Any]) -> None:
        """Write ``result.json``, the sign that the run is finished."""
        stamped = {**result, "finished": datetime.now(UTC).isoformat(timespec="seconds")}
        with atomic_write(self.path / "result.json") as file:
            json.dump(stamped, file, indent=2)
            file.write("\n")


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level of dotted names."""
    if not isinstance(value, dict):
        return {prefix.rstrip("."): value}
    return {name: leaf for key, inner in value.items() for name, leaf in _flat(inner, f"{prefix}{key}.").items()}
