"""Normalisations by name."""

from typing import Literal

from torch import nn

__all__ = ["Activation", "Norm", "make_norm"]

Norm = Literal["none", "batch", "layer"]
Activation = Literal["prelu", "relu", "elu"]


def make_norm(norm: Norm, width: int) -> nn.Module:
    """BatchNorm over nodes, LayerNorm over features, or nothing."""
    if norm == "batch":
        return nn.BatchNorm1d(width)
    return nn.LayerNorm(width) if norm == "layer" else nn.Identity()
