"""How a run is carried out (not what is learned), and the one rule by which settings override each other."""

import dataclasses
from argparse import ArgumentError
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from jsonargparse import ArgumentParser

from core.errors import UserError, unknown_name

__all__ = ["FitSettings", "resolve_settings"]

T = TypeVar("T")


@dataclass(frozen=True)
class FitSettings:
    """How a run is carried out.

    Attributes:
        seed: of every random draw.
        precision: arithmetic of the training step.
        accelerator: "cpu", "gpu" or "auto".
        devices: processes or devices on each machine.
        nodes: machines; start the same command on each under ``torchrun``.
        strategy: "auto", "ddp", "fsdp".
        threads: of torch on the CPU; 0 leaves torch's own choice.
        gradient_clip: largest norm of the gradient; 0 switches clipping off.
        checkpoint_seconds: a checkpoint is written at the end of the first epoch after so many seconds.
        log_every: steps between two logged values.
        patience: epochs without a lower training loss before the run stops early; 0 never stops early.
        progress: show a progress bar on a terminal.
    """

    seed: int = 0
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    accelerator: str = "cpu"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    threads: int = 0
    gradient_clip: float = 0.0
    checkpoint_seconds: float = 20.0
    log_every: int = 10
    patience: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name, least in (("devices", 1), ("nodes", 1), ("threads", 0), ("log_every", 1), ("patience", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("gradient_clip", "checkpoint_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")


def resolve_settings(kind: type[T], *layers: tuple[str, Mapping[str, Any]]) -> T:
    """Build a settings dataclass from its defaults and layers that override them, later ones winning.

    Args:
        kind: the frozen dataclass.
        *layers: pairs of a name for messages ("preset cora", "file my.yaml") and the values it sets.

    Raises:
        UserError: an unknown key (with the nearest known one), a value of the wrong type or out of range; the message
            names the layer.

    >>> resolve_settings(FitSettings, ("preset", {"seed": 3}), ("flags", {"seed": "4"})).seed
    4
    """
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "value", fail_untyped=False)
    values: dict[str, Any] = {}
    for source, layer in layers:
        for key in layer:
            if key not in known:
                error = unknown_name("setting", str(key), known)
                raise UserError(f"{source}: {error}")
        values.update(layer)
        try:
            parsed = parser.parse_object({"value": dict(values)}, defaults=True)
            result = parser.instantiate(parsed).value
        except (TypeError, ValueError, KeyError, ArgumentError) as error:
            raise UserError(f"{source}: {_short(error)}") from error
    if not layers:
        return kind()
    settings: T = result
    return settings


def _short(error: Exception) -> str:
    """The one line of jsonargparse's message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines).replace('Parser key "value.', 'setting "').replace("value.", "")
