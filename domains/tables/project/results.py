"""Results of steps on disk: a folder for each, whole or not there, with what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from core.atomic import atomic_folder
from core.errors import OperationError, UserError

__all__ = ["StepRecord", "fingerprint", "hash_file", "read_record", "write_result"]

_RECORD = "step.json"
_BLOCK = 1 << 20
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "step": str,
    "made_from": dict,
    "decisions": int,
    "outputs": dict,
    "facts": dict,
    "seconds": (int, float),
    "time": str,
}


@dataclass(frozen=True)
class StepRecord:
    """What is known of the result of a step.

    Attributes:
        step: its name.
        made_from: fingerprint of everything that it depends on, by what that is.
        decisions: number of lines of the decisions that were there, also of those that do not matter to it.
        outputs: SHA-256 of each file.
        facts: counts and figures for people.
        seconds: of work.
        time: when it was finished, UTC.
    """

    step: str
    made_from: Mapping[str, str]
    decisions: int
    outputs: Mapping[str, str]
    facts: Mapping[str, Any]
    seconds: float
    time: str

    @property
    def id(self) -> str:
        """Fingerprint of the files: the same result made again has the same id, so that later steps stay good."""
        return fingerprint(dict(self.outputs))


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits of anything that JSON can say; the order of keys does not matter.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file, read in blocks.

    Raises:
        OperationError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise OperationError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


@contextmanager
def write_result(
    folder: Path, step: str, made_from: Mapping[str, str], decisions: int, since: float
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Make the result of a step; the old one is replaced when the block ends without an error, and only then.

    Args:
        folder: of the result.
        step: its name.
        made_from: see `StepRecord`.
        decisions: see `StepRecord`.
        since: `time.perf_counter` at the start of the work.

    Yields:
        The folder to write into, and a dict for the facts.
    """
    facts: dict[str, Any] = {}
    with atomic_folder(folder) as temporary:
        yield temporary, facts
        outputs = {
            str(path.relative_to(temporary)): hash_file(path) for path in sorted(temporary.rglob("*")) if path.is_file()
        }
        time = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = round(perf_counter() - since, 3)
        record = StepRecord(step, dict(made_from), decisions, outputs, facts, seconds, time)
        (temporary / _RECORD).write_text(json.dumps(asdict(record), indent=1, ensure_ascii=False), "utf-8")


def read_record(folder: Path) -> StepRecord | None:
    """The record of a step, or None where it was not run.

    Raises:
        UserError: the record is damaged.
    """
    path = folder / _RECORD
    if not path.exists():
        return None
    try:
        shown = json.loads(path.read_text("utf-8"))
        wrong = [name for name, kind in _KINDS.items() if not isinstance(shown[name], kind)]
        if wrong:
            raise ValueError(f"{wrong[0]} is {shown[wrong[0]]!r}")
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}); delete {folder} and run the step again") from error
    return StepRecord(**{name: shown[name] for name in _KINDS})
