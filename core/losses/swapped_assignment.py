"""SwAV: each crop must predict the balanced prototype assignment of another crop of its image."""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.caller import warn_caller
from core.checks import check_at_least, check_embeddings, check_temperature
from core.distributed import world_size
from core.losses.normalisation import full_precision
from core.losses.reduction import Reduction, check_reduction, reduce
from core.losses.rows import anchor_rows
from core.losses.sinkhorn import check_sinkhorn, sinkhorn_knopp

__all__ = ["SwAVLoss", "swapped_assignment"]

Scores: TypeAlias = Float[Tensor, "crops b k"] | Sequence[Float[Tensor, "..."]]
QueueScores: TypeAlias = Float[Tensor, "codes m k"] | Sequence[Float[Tensor, "..."]]
Heads: TypeAlias = list[list[Tensor]]


def swapped_assignment(
    scores: Scores,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    reduction: Reduction = "mean",
    epsilon: float = 0.05,
    iterations: int = 3,
    assign_crops: Sequence[int] = (0, 1),
    queue_scores: QueueScores | None = None,
    across_processes: bool = False,
    rows: slice | None = None,
) -> Float[Tensor, "..."]:
    """Cross-entropy of each crop's prototype distribution against the code of another crop of the same image.

    Caron et al. 2020, arXiv 2006.09882, eqs. 1 and 2, over V crops as in the released code; A are the crops that give
    codes, o the cosines of crops and prototypes, q the rows of `sinkhorn_knopp`, which carry no gradient::

        L_b = 1 / (|A| (V - 1)) sum_{v in A} sum_{w != v} -sum_k q_v[b, k] log softmax(o_w[b] / t)_k

    Args:
        scores: ``(crops, b, k)``, or a list of crops ``(b, k)``; for several prototype heads a list of their
            ``(crops, b, k)``, whose losses are averaged. `core.heads.Prototypes` gives them.
        temperature: t > 0, of the predictions; a scalar tensor gets a gradient.
        reduction: "mean" or "sum" over the images, or "none".
        epsilon: > 0, of the codes; 0.03 is the authors' advice where the loss stays at log k.
        iterations: >= 1, of the codes.
        assign_crops: the crops that give codes: the full-size ones. Small crops predict only.
        queue_scores: scores of earlier features, ``(len(assign_crops), m, k)`` in the forms of ``scores``, computed
            with the current prototypes. They join the balance of the codes and are not predicted; ``m = 0`` is no
            queue yet. See `core.samplers.FeatureQueue`.
        across_processes: scores and queue are this process's share, and only the sums of Sinkhorn travel. The gradient,
            averaged over processes, is that of one process. Not together with ``rows``.
        rows: images whose predictions count; the codes are those of the whole batch (`core.distributed.GatheredLoss`
            sets it). The queue is then the same in every process.

    Shape:
        Output is a scalar, or ``(b,)`` with ``reduction="none"`` (as many as ``rows`` selects).

    Returns:
        The loss, >= 0, in float32 or better.

    Raises:
        TypeError: integer scores.
        ValueError: fewer than 2 crops, crops or heads that do not fit, settings, or scores that are not finite.

    Relations:
        log k for equal scores, which is the value of a collapsed encoder. Symmetric in two crops.

    >>> round(float(swapped_assignment(torch.zeros(2, 4, 3))), 4)  # log 3
    1.0986
    """
    check_reduction(reduction)
    check_temperature(temperature)
    check_sinkhorn(epsilon, iterations)
    heads, queues = _checked(scores, queue_scores, assign_crops)
    if across_processes and rows is not None:
        raise ValueError("across_processes is for a process's own scores; rows, or GatheredLoss, for joined ones")
    anchors = anchor_rows(rows, len(heads[0][0]))
    mine = slice(anchors.start, anchors.stop)
    terms = []
    for crops, waiting in zip(heads, queues, strict=True):
        codes = {}
        for crop, queue in zip(assign_crops, waiting, strict=True):
            own = full_precision(crops[crop].detach())
            joined = torch.cat([queue.detach().to(own), own])
            code = sinkhorn_knopp(joined, epsilon=epsilon, iterations=iterations, across_processes=across_processes)
            codes[crop] = code[len(queue) :][mine]
        terms.append(_cross_entropies([crop[mine] for crop in crops], codes, temperature))
    return reduce(torch.stack(terms).mean(dim=0), reduction)


def _cross_entropies(crops: list[Tensor], codes: dict[int, Tensor], temperature: float | Tensor) -> Tensor:
    """One term per image: the mean over codes and over the crops that predict them."""
    total: Tensor | None = None
    with torch.autocast(crops[0].device.type, enabled=False):
        for place, crop in enumerate(crops):
            others = [code for source, code in codes.items() if source != place]
            if not others:
                continue
            logs = torch.log_softmax(full_precision(crop) / temperature, dim=1)
            term = -(sum(others[1:], start=others[0]) * logs).sum(dim=1)
            total = term if total is None else total + term
    assert total is not None  # there are two crops, so that one of them predicts
    return total / (len(codes) * (len(crops) - 1))


def _checked(scores: Scores, queue_scores: QueueScores | None, assign_crops: Sequence[int]) -> tuple[Heads, Heads]:
    """Crops by head, and for each head the queue of each crop that gives codes, empty where there is none."""
    heads = _by_head("scores", scores)
    crops = len(heads[0])
    check_at_least("the number of crops", crops, 2, "a crop is predicted from another one of its image")
    check_at_least("the batch", len(heads[0][0]), 1)
    _check_assign_crops(assign_crops, crops)
    for head in heads:
        if len(head) != crops or len(head[0]) != len(heads[0][0]):
            raise ValueError(
                f"every head of scores must have the same crops and images, got {_shape(heads[0])} and {_shape(head)}"
            )
        if not torch.stack([crop.isfinite().all() for crop in head]).all():
            raise ValueError("scores must be finite; scale the features to unit length before the prototypes")
    if queue_scores is None:
        return heads, [[head[0].new_empty(0, head[0].shape[1])] * len(assign_crops) for head in heads]
    queues = _by_head("queue_scores", queue_scores)
    if len(queues) != len(heads):
        raise ValueError(f"queue_scores must have as many heads as scores, {len(heads)}, got {len(queues)}")
    for head, queue in zip(heads, queues, strict=True):
        if len(queue) != len(assign_crops) or queue[0].shape[1] != head[0].shape[1]:
            raise ValueError(
                f"queue_scores must be ({len(assign_crops)}, m, {head[0].shape[1]}), one queue for each of "
                f"assign_crops and as many prototypes as scores, got {_shape(queue)}"
            )
    return heads, queues


def _by_head(name: str, given: Scores | QueueScores) -> Heads:
    parts = [given] if isinstance(given, Tensor) else list(given)
    for place, part in enumerate(parts):
        if isinstance(given, Tensor):
            check_embeddings(name, part, dims=(3,))
        else:
            check_embeddings(f"{name}[{place}]", part, dims=(2, 3))
    axes = {part.dim() for part in parts}
    if len(axes) != 1 or any(len(part) == 0 for part in parts if part.dim() == 3):
        shapes = ", ".join(str(tuple(part.shape)) for part in parts) or "nothing"
        raise ValueError(f"{name} must be crops (b, k), or heads (crops, b, k), all of one kind, got {shapes}")
    heads = [parts] if axes == {2} else [list(part.unbind(0)) for part in parts]
    shapes_of_crops = sorted({tuple(crop.shape) for crop in heads[0]})
    if len(shapes_of_crops) > 1:
        raise ValueError(f"every crop of {name} must have the same images and prototypes, got {shapes_of_crops}")
    return heads


def _check_assign_crops(assign_crops: Sequence[int], crops: int | None = None) -> None:
    chosen = list(assign_crops)
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ValueError(f"assign_crops must be different crops, counted from 0, at least one, got {assign_crops!r}")
    if crops is not None and max(chosen) >= crops:
        raise ValueError(f"assign_crops must be below the number of crops, {crops}, got {assign_crops!r}")


def _shape(crops: list[Tensor]) -> tuple[int, ...]:
    return (len(crops), *crops[0].shape)


class SwAVLoss(nn.Module):
    """`swapped_assignment` with its settings.

    Warns once if it balances fewer samples than there are prototypes, where equal use means little, unless
    ``queue_scores`` of zero rows say that a queue is filling.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        reduction: Reduction = "mean",
        epsilon: float = 0.05,
        iterations: int = 3,
        assign_crops: Sequence[int] = (0, 1),
        across_processes: bool = False,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        check_temperature(temperature)
        check_sinkhorn(epsilon, iterations)
        _check_assign_crops(assign_crops)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.epsilon = epsilon
        self.iterations = iterations
        self.assign_crops = tuple(assign_crops)
        self.across_processes = across_processes
        self._warned = False

    def extra_repr(self) -> str:
        """Every setting by name."""
        return (
            f"temperature={self.temperature!r}, reduction={self.reduction!r}, epsilon={self.epsilon!r}, "
            f"iterations={self.iterations!r}, assign_crops={self.assign_crops!r}, "
            f"across_processes={self.across_processes!r}"
        )

    def forward(
        self, scores: Scores, *, queue_scores: QueueScores | None = None, rows: slice | None = None
    ) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `swapped_assignment`."""
        value = swapped_assignment(
            scores,
            temperature=self.temperature,
            reduction=self.reduction,
            epsilon=self.epsilon,
            iterations=self.iterations,
            assign_crops=self.assign_crops,
            queue_scores=queue_scores,
            across_processes=self.across_processes,
            rows=rows,
        )
        if not self._warned:
            self._warn_of_few_samples(scores, queue_scores)
        return value

    def _warn_of_few_samples(self, scores: Scores, queue_scores: QueueScores | None) -> None:
        heads = _by_head("scores", scores)
        waiting = 0 if queue_scores is None else len(_by_head("queue_scores", queue_scores)[0][0])
        if queue_scores is not None and waiting == 0:
            return  # the queue is filling: nothing for the reader to do
        samples = (len(heads[0][0]) + waiting) * (world_size() if self.across_processes else 1)
        prototypes = max(head[0].shape[1] for head in heads)
        if samples < prototypes:
            self._warned = True
            warn_caller(
                f"{samples} samples are balanced over {prototypes} prototypes, less than one for each; take fewer "
                "prototypes, a larger batch, or a longer queue (core.samplers.FeatureQueue) as queue_scores"
            )
