"""One small network and one budget for every row of the study."""

import math
from typing import Any

__all__ = ["BUDGETS", "PROFILES", "at_batch"]

_CPU: dict[str, Any] = {
    "width": 16,
    "depth": 10,
    "stem": "medium",
    "recipe": "mild",
    "batch_size": 256,
    "optimizer": "adam",
    "lr": 5e-3,
    "weight_decay": 1e-6,
    "epochs": 8,
    "warmup": 1.0,
}
BUDGETS: dict[str, dict[str, Any]] = {
    "cpu": _CPU,
    "quick": {**_CPU, "stem": "small", "width": 8, "recipe": "digits", "epochs": 6, "batch_size": 128},
    "paper": {**_CPU, "width": 64, "depth": 18, "stem": "small", "recipe": "cifar", "epochs": 200},
}
"""Settings that all systems of a profile share. ``lr`` and ``epochs`` were chosen on SimCLR alone."""

PROFILES = {"cpu": "cifar10_13k", "quick": "digits", "paper": "cifar10_13k"}
"""The data set of each profile's main parts."""


def at_batch(profile: str, batch_size: int) -> dict[str, Any]:
    """Settings for another batch size: Adam's rate goes with the root of the batch size."""
    budget = BUDGETS[profile]
    return {"batch_size": batch_size, "lr": budget["lr"] * math.sqrt(batch_size / budget["batch_size"])}
