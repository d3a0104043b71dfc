"""Score every stage of a model with the same probe: backbone, hidden layers of the head, projection."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_embeddings
from core.errors import unknown_name

__all__ = ["StagedHead", "layerwise_probe", "stage_features"]


@runtime_checkable
class StagedHead(Protocol):
    """What `stage_features` asks of a head or model: names of its stages, and the features at each."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages from input to output."""

    def encode(self, x: Tensor, stage: str) -> Tensor:
        """The features of a batch at one stage."""


@torch.no_grad()
def stage_features(
    head: StagedHead, x: Float[Tensor, "n ..."], *, only: Sequence[str] | None = None, batch_size: int = 1024
) -> dict[str, Tensor]:
    """Features of every stage, in eval mode and without gradient, as `layerwise_probe` takes them.

    In training mode a head's BatchNorm would mix the rows of a batch, and the features after it would depend on which
    rows came together. Modes are put back afterwards.

    Args:
        head: `core.heads.ProjectionHead`, `core.heads.ReweightingHead`, or anything with ``stages`` and ``encode``.
        x: what goes into it, encoder outputs without augmentation.
        only: stages to read; None means all.
        batch_size: rows worked on at a time, >= 1.

    Raises:
        TypeError: integer rows.
        UserError: a name in ``only`` that is no stage.
        ValueError: no rows, or a batch size below 1.

    >>> from core.heads import ReweightingHead
    >>> stage_features(ReweightingHead(2, kappa=2.0), torch.ones(1, 2))
    {'backbone': tensor([[1., 1.]]), 'projection': tensor([[1.0000, 0.5000]])}
    """
    check_embeddings("x", x, dims=(max(x.dim(), 1),))
    check_at_least("the number of rows", len(x), 1)
    check_at_least("batch_size", batch_size, 1)
    modes = {m: m.training for m in head.modules()} if isinstance(head, nn.Module) else {}
    for module in modes:
        module.training = False
    try:
        return {
            name: torch.cat([head.encode(part, name) for part in x.split(batch_size)])
            for name in _chosen(head.stages, only)
        }
    finally:
        for module, mode in modes.items():
            module.training = mode


def _chosen(stages: Sequence[str], only: Sequence[str] | None) -> list[str]:
    chosen = list(stages) if only is None else list(only)
    for name in chosen:
        if name not in stages:
            raise unknown_name("stage", name, stages)
    return chosen


def layerwise_probe(
    stages: Mapping[str, Float[Tensor, "n d"]],
    score: Callable[[Float[Tensor, "n d"]], float],
    *,
    only: Sequence[str] | None = None,
) -> dict[str, float]:
    """Apply one probe to the features of each stage.

    Xue et al. 2024, arXiv 2403.11391, compare features before and after the projection head like this; gains are often
    not monotone over the hidden layers, so all of them are worth a row.

    Args:
        stages: features by stage name, for example ``{"backbone": h, "hidden:1": ..., "projection": z}``, as
            `stage_features` makes them.
        score: the probe, from features to a number.
        only: stages to score; None means all.

    Raises:
        UserError: a name in ``only`` that is no stage.
    """
    return {name: score(stages[name]) for name in _chosen(list(stages), only)}
