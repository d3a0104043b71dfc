"""Preset files: what a paper set for one data set, beside the defaults."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from core.errors import UserError, unknown_name

__all__ = ["preset_names", "read_preset", "read_yaml"]


def preset_names(package: str) -> tuple[str, ...]:
    """Names of the presets that ``package`` (a domain) ships.

    >>> "cora" in preset_names("domains.graphs")
    True
    """
    folder = files(package) / "presets"
    return tuple(sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".yaml"))) if folder.is_dir() else ()


def read_preset(package: str, name: str, method: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values a preset gives to one method, and to the evaluation.

    Args:
        package: the domain's package.
        name: preset, in any case.
        method: registered name of the method. A preset without a section for it changes nothing.

    Raises:
        UserError: no such preset; the nearest names are listed.
    """
    known = preset_names(package)
    if name.lower() not in known:
        raise unknown_name("preset", name, known)
    content = yaml.safe_load((files(package) / "presets" / f"{name.lower()}.yaml").read_text(encoding="utf-8"))
    return dict(content.get(method) or {}), dict(content.get("evaluate") or {})


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A user's configuration file.

    Raises:
        UserError: missing, not YAML, or not a mapping; the message names the file and the line.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold 'setting: value' lines, got {type(content).__name__}")
    return content
