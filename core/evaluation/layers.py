"""Score every stage of a model with the same probe: backbone, hidden layers of the head, projection."""

from collections.abc import Callable, Mapping, Sequence

from jaxtyping import Float
from torch import Tensor

from core.errors import unknown_name

__all__ = ["layerwise_probe"]


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
        stages: features by stage name, for example ``{"backbone": h, "hidden:1": ..., "projection": z}``.
        score: the probe, from features to a number.
        only: stages to score; None means all.

    Raises:
        UserError: a name in ``only`` that is no stage.
    """
    chosen = list(stages) if only is None else list(only)
    for name in chosen:
        if name not in stages:
            raise unknown_name("stage", name, stages)
    return {name: score(stages[name]) for name in chosen}
