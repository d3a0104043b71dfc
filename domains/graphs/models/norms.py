"""Normalisations and activations by name."""

from typing import Literal

from torch import nn

__all__ = ["Activation", "Norm", "make_activation", "make_norm"]

Norm = Literal["none", "batch", "layer"]
Activation = Literal["prelu", "relu", "elu"]


def make_norm(norm: Norm, width: int) -> nn.Module:
    """BatchNorm over nodes, LayerNorm over features, or nothing."""
    if norm == "batch":
        return nn.BatchNorm1d(width)
    return nn.LayerNorm(width) if norm == "layer" else nn.Identity()


def make_activation(activation: Activation) -> nn.Module:
    """PReLU with one slope, started at 0.25; ReLU; or ELU."""
    if activation == "prelu":
        return nn.PReLU()
    return nn.ReLU() if activation == "relu" else nn.ELU()
