"""A trained `IntegrabilityModel` as a folder: JSON and safetensors, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.atomic import atomic_folder
from core.errors import UserError
from core.training.artifact import load_method, save_method
from domains.tables import METHODS
from domains.tables.methods.ssacl import SSACL
from domains.tables.methods.value_contrast import ValueContrast
from domains.tables.models.sentence import SentenceEncoder
from domains.tables.models.tuple_encoder import ValueEncoder

__all__ = ["read_parts", "write_parts"]

_FORMAT = 1
_FILE = "integrability.json"


def write_parts(folder: str | Path, method: SSACL, values: ValueEncoder, columns: Sequence[str]) -> None:
    """Write ``integrability.json``, ``matcher/`` and, for the embedded encoder of values, ``values/``.

    Args:
        folder: appears whole or not at all; an older one of that name is replaced.
        method: the trained matcher.
        values: its encoder.
        columns: attributes that were learned from.

    Raises:
        OperationError: disk full or not writable.
    """
    facts: dict[str, Any] = {"format": _FORMAT, "columns": list(columns), "transformer": None}
    with atomic_folder(folder) as temporary:
        save_method(method, temporary / "matcher", {"paper": "Ji et al., arXiv 2412.00324"})
        if isinstance(values, ValueContrast):
            save_method(values, temporary / "values", {})
        elif isinstance(values, SentenceEncoder):
            facts["transformer"] = {**values.config(), "sha256": _digest(values)}
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        (temporary / _FILE).write_text(text, encoding="utf-8")


def read_parts(
    folder: str | Path, encoder: SentenceEncoder | None = None
) -> tuple[SSACL, ValueContrast | SentenceEncoder, tuple[str, ...]]:
    """Read what `write_parts` wrote.

    Args:
        folder: of the model.
        encoder: the frozen transformer, where it is no longer where it was.

    Returns:
        The matcher, its encoder of values, the attributes that were learned from.

    Raises:
        UserError: a file is missing or damaged, or the transformer is not there or another one.
    """
    folder = Path(folder)
    facts = _facts(folder / _FILE)
    method = load_method(folder / "matcher", METHODS)
    if not isinstance(method, SSACL):
        raise UserError(f"{folder / 'matcher'} holds {method.name}, not ssacl; restore it or train the model again")
    values = _values(folder, facts["transformer"], encoder)
    if values.width != method.matcher.width:
        raise UserError(
            f"{folder}: the matcher takes vectors of {method.matcher.width}, the encoder gives {values.width}"
        )
    return method, values, tuple(facts["columns"])


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path.parent} is not the folder of an integrability model: it has no {path.name}")
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kept = {name: facts[name] for name in ("format", "columns", "transformer")}
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is damaged ({error}); restore it or train the model again") from error
    if kept["format"] > _FORMAT:
        raise UserError(f"{path} has format {kept['format']}, this version reads {_FORMAT}; upgrade counterpoint")
    return kept


def _values(
    folder: Path, transformer: dict[str, Any] | None, encoder: SentenceEncoder | None
) -> ValueContrast | SentenceEncoder:
    if transformer is None:
        values = load_method(folder / "values", METHODS)
        if not isinstance(values, ValueContrast):
            raise UserError(f"{folder / 'values'} holds {values.name}, not value_contrast; train the model again")
        return values
    given = {name: transformer[name] for name in ("folder", "pooling", "tokens")}
    found = encoder or SentenceEncoder(**given)
    if _digest(found) != transformer["sha256"]:
        raise UserError(f"{found.folder} holds another transformer than the one that {folder} was trained with")
    return found


def _digest(encoder: SentenceEncoder) -> str:
    """Of the weights file; of the configuration where the weights are in parts."""
    weights = encoder.folder / "model.safetensors"
    path = weights if weights.is_file() else encoder.folder / "config.json"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
