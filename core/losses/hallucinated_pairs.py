"""Any loss of pairs, half of it on hallucinated pairs."""

import inspect
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_paired
from core.losses.rows import anchor_rows

__all__ = ["HallucinatedPairLoss"]


class HallucinatedPairLoss(nn.Module):
    """Mean of a loss on the real pairs and on pairs whose first row is hallucinated.

    Wu et al. 2023, arXiv 2307.12168, after its released code; with h = G([x, (1 + r) x - r p]) and p the partner of x::

        L = (base(x, k) + base(h, k)) / 2

    The released code instead stacks [x, h] against [k, k] (``mask_duplicates=False``). For losses whose rows do not
    meet, and for a queue, that is the same. In NT-Xent it makes each key the negative of its own copy, which bounds the
    loss from below, and of its query; here the two halves do not see each other. The code also leaves gradient through
    the partner, and puts every key into the queue twice.

    - SimCLR: ``loss(z1, z2)`` around `NTXentLoss`, projections as they are.
    - MoCo: ``loss(query, key, negatives=queue.tensor())`` around `InfoNCELoss`; give the queue each key once.
    - SimSiam: ``(loss(p1, z2, partner=p2) + loss(p2, z1, partner=p1)) / 2`` around `NegativeCosineLoss`, each side with
      its own ratio. Predictions are what moves: behind the stopped gradient of the targets G would never learn.

    Args:
        base_loss: takes ``(query, key, **options)`` and returns a scalar; a mean.
        hallucinator: `core.samplers.Hallucinator`, or any module ``(move, keep) -> (n, d)``. Its parameters belong to
            this module, and thus into the optimizer.
        detach_partner: stop the gradient that reaches p through h. As the key of the pair k keeps its own.
        mask_duplicates: keep copies of a key out of each other's denominators, by scoring the halves apart.
        official: the released code's behaviour: False for both settings, whatever they say.

    Attributes:
        last_base: the last value on real pairs, without graph; ``None`` before the first call, and where a stacked loss
            without ``rows`` cannot be told apart.
        last_hallucinated: the same on hallucinated pairs.

    Raises:
        ValueError: a base loss with another reduction than "mean".

    Relations:
        With h = x it is the base loss.

    >>> from core.losses import NTXentLoss
    >>> loss = HallucinatedPairLoss(NTXentLoss(), nn.Bilinear(2, 2, 2))
    >>> loss(torch.eye(2), torch.eye(2)).shape
    torch.Size([])
    """

    def __init__(
        self,
        base_loss: nn.Module,
        hallucinator: nn.Module,
        *,
        detach_partner: bool = True,
        mask_duplicates: bool = True,
        official: bool = False,
    ) -> None:
        super().__init__()
        self.reduction = getattr(base_loss, "reduction", "mean")
        if self.reduction != "mean":
            raise ValueError(
                f"the base loss must have reduction='mean', got {self.reduction!r}: both halves are averaged"
            )
        self.base_loss = base_loss
        self.hallucinator = hallucinator
        self.detach_partner = detach_partner and not official
        self.mask_duplicates = mask_duplicates and not official
        self.last_base: Tensor | None = None
        self.last_hallucinated: Tensor | None = None
        self._takes_rows = "rows" in inspect.signature(base_loss.forward).parameters

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"detach_partner={self.detach_partner!r}, mask_duplicates={self.mask_duplicates!r}"

    def forward(
        self,
        query: Float[Tensor, "n d"],
        key: Float[Tensor, "n d"],
        partner: Float[Tensor, "n d"] | None = None,
        *,
        rows: slice | None = None,
        **options: Any,
    ) -> Float[Tensor, ""]:
        """The loss of one batch.

        Args:
            query: the side that is hallucinated, as the head gives it; the base loss normalises.
            key: row i is the positive of row i of ``query``; never moved.
            partner: what rows move away from; ``None`` takes ``key``.
            rows: pairs to score, for a base loss that takes them (`core.distributed.GatheredLoss` sets it).
            **options: of the base loss, the same for both halves; ``ids`` are repeated where they are stacked.

        Raises:
            TypeError: integer tensors, or ``rows`` with a base loss that does not take them.
            ValueError: shapes that differ.
        """
        check_paired(query, key)
        partner = key if partner is None else partner
        moved = self.hallucinator(query, partner.detach() if self.detach_partner else partner)
        check_paired(query, moved, ("query", "the hallucinator's output"))
        if rows is not None:
            options["rows"] = rows
        if self.mask_duplicates:
            return self._mean(self.base_loss(query, key, **options), self.base_loss(moved, key, **options))
        queries, keys = torch.cat([query, moved]), torch.cat([key, key])
        if options.get("ids") is not None:
            options["ids"] = options["ids"].repeat(2)
        if not self._takes_rows:
            self.last_base = self.last_hallucinated = None
            value: Tensor = self.base_loss(queries, keys, **options)
            return value
        mine = anchor_rows(rows, len(query))
        halves = (slice(first + mine.start, first + mine.stop) for first in (0, len(query)))
        return self._mean(*(self.base_loss(queries, keys, **(options | {"rows": half})) for half in halves))

    def _mean(self, base: Tensor, hallucinated: Tensor) -> Tensor:
        self.last_base, self.last_hallucinated = base.detach(), hallucinated.detach()
        return (base + hallucinated) / 2
