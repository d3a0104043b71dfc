"""A loss of queries against momentum keys and a queue of earlier keys, with the samplers that fit."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize

from core.distributed import gather_with_grad
from core.errors import UserError
from core.evaluation import false_negative_share, proxy_accuracy
from core.losses import HallucinatedPairLoss
from core.parts import Part, find_part
from core.samplers import Hallucinator, HardNegativeMixing, MemoryQueue
from domains.vision.methods.hallucination import hallucination
from domains.vision.methods.objective import make_part, make_sampler

__all__ = ["QueueObjective"]

_N_HARD = 128
"""Of the hardest negatives, how many are looked at for false ones where nothing is mixed."""


class QueueObjective(nn.Module):
    """The mean loss over pairs of a query's and a key's view, or of all views at once where the loss takes those.

    Args:
        loss: public name of a loss of pairs that takes ``negatives`` (InfoNCELoss, DCLLoss, DCLWLoss), or
            "MomentumCACRLoss", or "CropCACRLoss" (the batch's keys repel, no queue).
        loss_settings: its keyword arguments.
        temperature: of a loss of pairs whose settings name none.
        dim: width of the projections.
        size: of the queue.
        views: number of views of each image.
        generator: of the queue's start and the sampler's draws.
        sampler: "none", "hard_negative_mixing" (MoCHi, from the queue's hardest keys) or "hallucinator".
        sampler_settings: its keyword arguments.
        oracle: whether only keys of other classes are mixed.
        warmup: share of the epochs without mixed negatives, in [0, 1).

    Raises:
        UserError: unknown names, settings or combinations.
    """

    def __init__(
        self,
        loss: str,
        loss_settings: Mapping[str, Any],
        *,
        temperature: float,
        dim: int,
        size: int,
        views: int,
        generator: torch.Generator,
        sampler: str = "none",
        sampler_settings: Mapping[str, Any] | None = None,
        oracle: bool = False,
        warmup: float = 0.0,
    ) -> None:
        super().__init__()
        self.part, self.loss = _make_loss(loss, loss_settings, temperature, views)
        self.oracle = oracle
        self.warmup = warmup
        self.active = warmup == 0
        self.queue: MemoryQueue | None = None
        self.labels: MemoryQueue | None = None
        if self.part.name != "CropCACRLoss":
            self.queue = MemoryQueue(size, dim, generator=generator)
            self.labels = MemoryQueue(size, 1, generator=generator)  # classes below 2^24 are exact in float32
        self.mixer: HardNegativeMixing | None = None
        if sampler != "none":
            self._add_sampler(*make_sampler(sampler, sampler_settings or {}, dim=dim, generator=generator), size)
        elif sampler_settings:
            raise UserError("sampler_settings are given, but no sampler")
        if oracle and self.mixer is None:
            raise UserError("oracle chooses which negatives are mixed; it needs sampler hard_negative_mixing")

    def _add_sampler(self, part: Part, built: Hallucinator | HardNegativeMixing | MemoryQueue, size: int) -> None:
        if isinstance(built, MemoryQueue):
            raise UserError("moco has a queue of its own; its length is the setting queue")
        if self.part.takes != "pairs":
            raise UserError(
                f"the sampler {part.name} works on pairs; take the loss InfoNCELoss, DCLLoss or DCLWLoss, not "
                f"{self.part.name}"
            )
        if isinstance(built, Hallucinator):
            self.loss = HallucinatedPairLoss(self.loss, built)
        else:
            if built.n_hard > size:
                raise UserError(
                    f"n_hard is {built.n_hard}, but the queue holds {size} keys; lower sampler_settings.n_hard or "
                    "raise queue"
                )
            self.mixer = built

    def set_progress(self, done: float) -> None:
        """How much of the training is done, in [0, 1]: mixed negatives begin after ``warmup``."""
        self.active = done >= self.warmup

    def forward(
        self, query: Float[Tensor, "a n d"], key: Float[Tensor, "b n d"], labels: Tensor | None = None
    ) -> Float[Tensor, ""]:
        """The loss; keys and queue get no gradient. `enqueue` comes after it.

        Args:
            query: projections of some views, not normalised. With b = a view i of the keys is view i of the queries,
                with fewer queries the keys' views are others.
            key: projections of the momentum copy.
            labels: classes, for the oracle.
        """
        key = normalize(key.detach(), dim=-1)
        if self.part.name == "CropCACRLoss":
            others = [[v for v in range(len(query)) if v != own] for own in range(len(key))]
            return torch.stack([self.loss(query[kept], key[own]) for own, kept in enumerate(others)]).mean()
        assert self.queue is not None
        if self.part.name == "MomentumCACRLoss":
            value: Tensor = self.loss(query, key, queue=self.queue.tensor())
            return value
        terms = []
        for a, b in _pairs(query, key):
            options = {"negatives": self.queue.tensor()}
            if self.mixer is not None and self.active and self.queue.filled >= self.mixer.n_hard:
                options["extra_similarities"] = self._mixed(self.mixer, query[a], labels)
            terms.append(self.loss(query[a], key[b], **options))
        return torch.stack(terms).mean()

    def _mixed(self, mixer: HardNegativeMixing, query: Tensor, labels: Tensor | None) -> Tensor:
        """Cosines of the queries and their mixed negatives, from the real keys of the queue."""
        keys, classes = self._real_keys()
        valid = None
        if self.oracle:
            if labels is None or bool((labels < 0).any()):
                raise UserError("oracle needs a label for every image; train on labelled images")
            valid = classes != labels[:, None]
            if int(valid.sum(1).min()) < 2:
                raise UserError("oracle finds no two keys of other classes in the queue; raise queue or mixing_warmup")
        mixed: Tensor = mixer.similarities(query, keys, valid=valid)
        return mixed

    def _real_keys(self) -> tuple[Tensor, Tensor]:
        """What the queue holds beside its random start, and the classes."""
        assert self.queue is not None
        assert self.labels is not None
        filled = self.queue.filled
        return self.queue.tensor()[:filled], self.labels.tensor()[:filled, 0].long()

    @torch.no_grad()
    def enqueue(self, key: Float[Tensor, "b n d"], labels: Tensor | None = None) -> None:
        """Put the batch's keys into the queue, each once, in several processes those of all.

        Of a loss of views only those of the last view, as in CACR's released code.

        Args:
            key: projections of the momentum copy.
            labels: classes of the images; -1 stands for None.
        """
        if self.queue is None or self.labels is None:
            return
        fresh = key[-1:] if self.part.takes == "views" else key
        classes = key.new_full(key.shape[1:2], -1.0) if labels is None else labels.to(key.dtype)
        rows = gather_with_grad(normalize(fresh, dim=-1).flatten(0, 1))
        classes = gather_with_grad(classes.repeat(len(fresh)))[:, None]
        finite = rows.isfinite().all(dim=1)  # the queue takes no others, and classes must stay beside their keys
        self.queue.update(rows[finite])
        self.labels.update(classes[finite])

    @torch.no_grad()
    def watch(
        self, query: Float[Tensor, "a n d"], key: Float[Tensor, "b n d"], labels: Tensor | None = None
    ) -> dict[str, Tensor | float]:
        """How hard the task is, against the real keys of the queue; nothing while it is empty.

        Args:
            query: as in the loss.
            key: as in the loss.
            labels: classes of the images, where known.
        """
        facts: dict[str, Tensor | float] = {}
        a, b = _pairs(query, key)[0]
        if isinstance(self.loss, HallucinatedPairLoss):
            assert self.loss.last_hallucinated is not None
            facts["hallucinated loss"] = self.loss.last_hallucinated
            assert isinstance(self.loss.hallucinator, Hallucinator)
            facts |= hallucination(self.loss.hallucinator, query[a], normalize(key[b], dim=-1))
        if self.queue is None or self.queue.filled == 0:
            return facts
        keys, classes = self._real_keys()
        facts["proxy accuracy"] = proxy_accuracy(query[a], key[b], keys)
        if labels is not None and bool((labels >= 0).all()) and bool((classes >= 0).any()):
            n_hard = _N_HARD if self.mixer is None else self.mixer.n_hard
            facts["false-negative share"] = false_negative_share(query[a], keys, labels, classes, n_hard=n_hard)
        return facts


def _pairs(query: Tensor, key: Tensor) -> list[tuple[int, int]]:
    """Which views meet: every two different ones, or all where the keys' views are others than the queries'."""
    same = len(query) == len(key) and len(query) > 1
    return [(a, b) for a in range(len(query)) for b in range(len(key)) if not (same and a == b)]


def _make_loss(name: str, settings: Mapping[str, Any], temperature: float, views: int) -> tuple[Part, nn.Module]:
    part = find_part(name, "loss")
    if part.name == "CropCACRLoss" and views < 3:
        raise UserError(
            f"CropCACRLoss compares two crops or more with the key of another one: take views=3, not {views}"
        )
    if part.name in ("CropCACRLoss", "MomentumCACRLoss"):
        return part, make_part(part, settings)
    if part.takes != "pairs" or "negatives" not in inspect.signature(part.load().forward).parameters:
        raise UserError(
            f"{part.name} takes no queue of negatives; InfoNCELoss, DCLLoss, DCLWLoss, MomentumCACRLoss and "
            "CropCACRLoss can train moco"
        )
    return part, make_part(part, settings, temperature=temperature)
