"""A finished model as a folder that anybody can load without executing a pickle."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.atomic import atomic_folder
from core.errors import UserError, unknown_name
from core.registry import Registry
from core.training.method import Method
from core.training.settings import resolve_settings

__all__ = ["load_method", "package_versions", "read_config", "save_method"]

_FORMAT = 1
_PACKAGES = ("counterpoint", "torch", "lightning", "numpy", "scipy", "scikit-learn")


def package_versions() -> dict[str, str]:
    """Versions of the interpreter and of the packages that decide the numbers."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def save_method(method: Method[Any], folder: str | Path, metadata: dict[str, Any]) -> None:
    """Write ``config.json``, ``model.safetensors``, ``metadata.json`` and a model card ``README.md``.

    Args:
        method: the trained module.
        folder: appears whole or not at all; an older one of that name is replaced.
        metadata: data, shapes, ranges, licence, scores: JSON-able.

    Raises:
        OperationError: disk full or not writable.
    """
    config = {"format": _FORMAT, **method.config()}
    facts = {**metadata, "versions": package_versions()}
    with atomic_folder(folder) as temporary:
        _write_json(temporary / "config.json", config)
        _write_json(temporary / "metadata.json", facts)
        (temporary / "README.md").write_text(_card(config, facts), encoding="utf-8")
        state = {name: tensor.contiguous() for name, tensor in method.state_dict().items()}
        save_file({name: tensor.clone() for name, tensor in state.items()}, str(temporary / "model.safetensors"))


def read_config(folder: str | Path) -> dict[str, Any]:
    """The ``config.json`` of a model folder.

    Raises:
        UserError: not a model folder, or the file is damaged or of a newer format.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise UserError(f"{folder} is not a model folder: it has no config.json (a run keeps its model in <run>/model)")
    try:
        config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("format", "method", "settings", "input") if key not in config]
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is not valid JSON ({error}); restore it or train the model again") from error
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}; restore it or train the model again")
    if config["format"] > _FORMAT:
        raise UserError(f"{path} has format {config['format']}, this version reads {_FORMAT}; upgrade counterpoint")
    return config


def load_method(folder: str | Path, registry: Registry) -> Method[Any]:
    """Rebuild a saved method in evaluation mode.

    Args:
        folder: what `save_method` wrote, or a run folder that holds it as ``model/``.
        registry: the domain's methods; ``config.json`` names one of them.

    Raises:
        UserError: a file is missing, damaged or does not fit; the message names it.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file() and (folder / "model" / "config.json").is_file():
        folder = folder / "model"
    config = read_config(folder)
    if config["method"] not in registry:
        reason = unknown_name(registry.kind, config["method"], registry.names())
        raise UserError(f"{folder} holds a model that is none of these: {reason}")
    settings = resolve_settings(registry.settings(config["method"]), (str(folder / "config.json"), config["settings"]))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise UserError(f"{weights} is missing; restore it or train the model again")
    try:
        method: Method[Any] = registry.get(config["method"])(settings, **config["input"])
        method.load_state_dict(load_file(str(weights)))
    except SafetensorError as error:
        raise UserError(f"{weights} is damaged ({error}); restore it or train the model again") from error
    except (RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{weights} does not fit {folder / 'config.json'}: {error}") from error
    return method.eval()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _card(config: dict[str, Any], facts: dict[str, Any]) -> str:
    settings = "\n".join(f"| {name} | {value} |" for name, value in config["settings"].items())
    scores = "\n".join(f"| {name} | {value:.4f} |" for name, value in facts.get("scores", {}).items())
    data = "\n".join(f"- {name}: {value}" for name, value in facts.get("data", {}).items())
    return (
        f"# {config['method']}\n\nTrained with Counterpoint {facts['versions']['counterpoint']}"
        f" (torch {torch.__version__}). {facts.get('paper', '')}\n\n"
        f"## Data\n\n{data or '- not recorded'}\n\n"
        f"## Scores\n\n| metric | value |\n|---|---|\n{scores}\n\n"
        f"## Settings\n\n| setting | value |\n|---|---|\n{settings}\n"
    )
