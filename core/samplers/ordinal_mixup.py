"""SupReMix's mixtures: hard negatives that hold some of the anchor, hard positives that have the anchor's target."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray
from torch import Tensor

from core.checks import check_at_least, check_embeddings, check_positive, check_targets
from core.losses.normalisation import full_precision, unit_rows

__all__ = ["MixedPairs", "Mixtures", "OrdinalDraw", "OrdinalMixup"]

CHUNK = 128
"""Anchors that share a stream of random numbers, and are held at once."""


class Mixtures(NamedTuple):
    """What is mixed for b anchors, by position in the batch; entries outside the masks mean nothing.

    Attributes:
        partner: (b, kn) the row that anchor i is mixed with.
        share: (b, kn) lam, the share of the anchor.
        neg_mask: (b, kn) which mix-negatives there are.
        lower: (b, kp) a row with a smaller target.
        upper: (b, kp) a row with a larger target.
        lower_share: (b, kp) lam, the share of the lower row.
        pos_mask: (b, kp) which mix-positives there are.
    """

    partner: Int64[Tensor, "b kn"]
    share: Float[Tensor, "b kn"]
    neg_mask: Bool[Tensor, "b kn"]
    lower: Int64[Tensor, "b kp"]
    upper: Int64[Tensor, "b kp"]
    lower_share: Float[Tensor, "b kp"]
    pos_mask: Bool[Tensor, "b kp"]


class MixedPairs(NamedTuple):
    """The mixed rows of all m anchors; entries outside the masks mean nothing."""

    neg: Float[Tensor, "m kn d"]
    neg_target: Float[Tensor, "m kn"]
    neg_mask: Bool[Tensor, "m kn"]
    pos: Float[Tensor, "m kp d"]
    pos_mask: Bool[Tensor, "m kp"]


@dataclass(frozen=True)
class OrdinalMixup:
    """Mixtures of SupReMix, in the order of a continuous target.

    Wu et al. 2023, arXiv 2309.16633. For anchor i, embeddings f and targets y::

        mix-neg, every k with y_k != y_i:        lam f_i + (1 - lam) f_k,   lam ~ Beta(beta),  target mixed alike
        mix-pos, every j, k with y_j < y_i < y_k, both nearer than the window:
                                                 lam f_j + (1 - lam) f_k,   lam = (y_k - y_i) / (y_k - y_j),  target y_i

    `core.losses.SupReMixLoss` takes the sampler and never forms a mixed row. Called with embeddings and targets, it
    hands the rows out, (m, kn, d) and (m, kp, d) of them: for small batches.

    Args:
        window: of mix-pos, > 0, in units of the target; the authors' script takes 5 years. Standardise targets, or take
            a quantile of their differences. ``None`` only without ``mix_pos``.
        beta: both parameters of the Beta distribution, > 0; (2, 8) is mostly the negative, a little of the anchor.
        mix_neg: whether to make mix-negatives.
        mix_pos: whether to make mix-positives.
        max_pos: mix-positives of an anchor, >= 1, drawn without replacement where there are more pairs; ``None`` takes
            all pairs, up to m^2 / 4 for each anchor.
        max_neg: mix-negatives of an anchor, >= 1, drawn without replacement; ``None`` takes every k.
        normalize: bring mixtures to unit length. The authors' code does not: mixtures of unit rows are shorter.
        detach: no gradient through mixtures, as in the authors' code.
        generator: draws; ``None`` takes torch's default one. Equal generators in all processes, and a loss over the
            joined batch, give the numbers of one process.

    Raises:
        ValueError: a window or parameter that is not positive, no kind of mixture, counts below 1.

    Notes:
        lam of mix-neg is drawn for each pair of rows.

    >>> mixed = OrdinalMixup(4.0)(torch.tensor([[8.0], [10.0], [13.0]]), torch.tensor([8.0, 10.0, 13.0]))
    >>> mixed.pos[mixed.pos_mask].tolist()  # 0.6 of 8 and 0.4 of 13
    [[10.0]]
    """

    window: float | None
    _: KW_ONLY
    beta: tuple[float, float] = (2.0, 8.0)
    mix_neg: bool = True
    mix_pos: bool = True
    max_pos: int | None = 64
    max_neg: int | None = None
    normalize: bool = False
    detach: bool = True
    generator: torch.Generator | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.window is not None:
            check_positive("window", self.window, usual="a few units of the target")
        elif self.mix_pos:
            raise ValueError("mix_pos needs a window in units of the target; pass one, or mix_pos=False")
        if len(self.beta) != 2:
            raise ValueError(f"beta must be two numbers > 0, got {self.beta!r}")
        for value in self.beta:
            check_positive("beta", value, usual="(2, 8)")
        for name, limit in (("max_pos", self.max_pos), ("max_neg", self.max_neg)):
            if limit is not None:
                check_at_least(name, limit, 1, "None takes all; mix_pos and mix_neg switch off")

    def draw(self, targets: Float[Tensor, " m"]) -> "OrdinalDraw":
        """Decide what is mixed with what in a batch; one call takes one number from the generator.

        Args:
            targets: finite, one for each row.
        """
        return OrdinalDraw(self, targets)

    def __call__(
        self, features: Float[Tensor, "m d"], targets: Float[Tensor, " m"] | Float[Tensor, "m 1"]
    ) -> MixedPairs:
        """The mixed rows themselves.

        Args:
            features: embeddings as they shall be mixed; the loss mixes unit rows.
            targets: one number for each row.

        Raises:
            TypeError: integer features or targets.
            ValueError: shapes, targets that are not finite or not one number a row, a single row.
        """
        check_embeddings("features", features)
        check_targets(targets, len(features))
        check_at_least("the number of rows", len(features), 2, "there is nothing to mix with")
        y = targets.detach().reshape(-1).to(full_precision(targets).dtype)
        draw = self.draw(y)
        parts = [draw.mixtures(anchors) for anchors in draw.split(torch.arange(len(y), device=y.device))]
        mix = Mixtures(*(torch.cat(columns) for columns in zip(*parts, strict=True)))
        f = full_precision(features.detach() if self.detach else features)
        share, lower_share = mix.share[:, :, None].to(f.dtype), mix.lower_share[:, :, None].to(f.dtype)
        neg = share * f[:, None] + (1 - share) * f[mix.partner]
        pos = lower_share * f[mix.lower] + (1 - lower_share) * f[mix.upper]
        if self.normalize:
            neg, pos = unit_rows(neg), unit_rows(pos)
        neg_target = mix.share * y[:, None] + (1 - mix.share) * y[mix.partner]
        return MixedPairs(neg, neg_target, mix.neg_mask, pos, mix.pos_mask)


class OrdinalDraw:
    """One draw of `OrdinalMixup` for a batch, which hands out the mixtures of any anchors, again and again the same.

    Every chunk of anchors has a stream of its own, so a block can be drawn anew in a backward pass, and a share of the
    anchors has the numbers that it has among all.

    Args:
        mixer: the settings.
        targets: finite, (m,).

    Attributes:
        mixer: the settings.
        equals: (m,) other rows with the anchor's target.
        negatives: (m,) rows that the anchor may be mixed with.
        pairs: (m,) pairs of rows around the anchor that may be mixed.
    """

    def __init__(self, mixer: OrdinalMixup, targets: Float[Tensor, " m"]) -> None:
        self.mixer, self._targets = mixer, targets
        where = "cpu" if mixer.generator is None else mixer.generator.device
        self._seed = int(torch.randint(2**62, (), generator=mixer.generator, device=where))
        ranked, self._order = targets.sort(stable=True)
        # Places in that order: of the rows with the anchor's target, and of those within the window on either side.
        self._first = torch.searchsorted(ranked, targets)
        self._after = torch.searchsorted(ranked, targets, right=True)
        self._low, self._high = self._first, self._after
        if mixer.mix_pos and mixer.window is not None:
            self._low = torch.searchsorted(ranked, targets - mixer.window, right=True)
            self._high = torch.searchsorted(ranked, targets + mixer.window)
        equal = self._after - self._first
        self.equals = equal - 1
        self.negatives = (len(targets) - equal) * mixer.mix_neg
        self.pairs = (self._first - self._low) * (self._high - self._after)
        self._kept_neg = _kept(self.negatives, mixer.max_neg)
        self._kept_pos = _kept(self.pairs, mixer.max_pos)

    def split(self, anchors: Int64[Tensor, " a"]) -> Iterator[Int64[Tensor, " b"]]:
        """Yield anchors, in ascending order of position, by the chunk that they lie in."""
        _, sizes = torch.unique_consecutive(anchors // CHUNK, return_counts=True)
        yield from anchors.split(sizes.tolist())

    def mixtures(self, anchors: Int64[Tensor, " b"]) -> Mixtures:
        """The mixtures of anchors of one chunk, as `split` gives them."""
        chunk = int(anchors[0]) // CHUNK
        whole = slice(chunk * CHUNK, min((chunk + 1) * CHUNK, len(self._targets)))
        rng = np.random.default_rng([self._seed, chunk])
        neg_place, neg_mask = self._places(self.negatives[whole], self._kept_neg, rng)
        share = self._tensor(rng.beta(*self.mixer.beta, neg_mask.shape)).to(self._targets.dtype)
        pos_place, pos_mask = self._places(self.pairs[whole], self._kept_pos, rng)

        first, after, low, high = (place[whole, None] for place in (self._first, self._after, self._low, self._high))
        last = len(self._targets) - 1  # what the masks exclude may point past the end
        partner = torch.where(neg_place < first, neg_place, neg_place + after - first).clamp(max=last)
        width = (high - after).clamp(min=1)
        lower, upper = low + pos_place // width, (after + pos_place % width).clamp(max=last)
        partner, lower, upper = self._order[partner], self._order[lower], self._order[upper]
        own, below, above = self._targets[whole, None], self._targets[lower], self._targets[upper]
        lower_share = (above - own) / torch.where(pos_mask, above - below, 1.0)
        inside = anchors - whole.start
        return Mixtures(*(t[inside] for t in (partner, share, neg_mask, lower, upper, lower_share, pos_mask)))

    def _places(self, counts: Tensor, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        places = self._tensor(_distinct(counts.cpu().numpy(), size, rng))
        mask = places < counts[:, None]
        return places.masked_fill(~mask, 0), mask

    def _tensor(self, values: NDArray[np.float64] | NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(values).to(self._targets.device)


def _kept(counts: Tensor, limit: int | None) -> int:
    most = int(counts.max())
    return most if limit is None else min(limit, most)


def _distinct(counts: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each row ``size`` distinct numbers below its count, all subsets alike; a row with fewer has them all.

    What is not below the count stands for nothing. Floyd's method: one step a number, all rows at once.
    """
    chosen = np.tile(np.arange(size, dtype=np.int64), (len(counts), 1))
    if not (counts > size).any():
        return chosen
    shares = rng.random(chosen.shape)
    for step in range(size):
        top = np.maximum(counts - size, 0) + step
        drawn = (shares[:, step] * (top + 1)).astype(np.int64)
        taken = (chosen[:, :step] == drawn[:, None]).any(axis=1)
        chosen[:, step] = np.where(taken, top, drawn)
    return chosen
