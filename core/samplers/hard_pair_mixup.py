"""Core-tuning's mixtures of features: a hard positive and a semi-hard negative for every sample of a labelled batch."""

from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from core.checks import check_at_least, check_choice, check_embeddings, check_labels, check_positive
from core.losses.normalisation import unit_rows
from core.similarity.block_logits import block_logits

__all__ = ["HardPairMixup", "MixedBatch", "PairKind"]

Negatives = Literal["random", "shuffle"]
HardPositive = Literal["paper", "released"]

BLOCK = 1 << 20
"""Similarities held at once while pairs are mined: 4 MB in float32."""


class PairKind(IntEnum):
    """What a row of a mixed batch is."""

    ORIGINAL = 0
    NEGATIVE = 1
    POSITIVE = 2


class MixedBatch(NamedTuple):
    """The originals, the negatives made for each of them, and the positives made for those that have one.

    Attributes:
        features: (m, f).
        soft_targets: (m, c) probabilities of the classes, which sum to 1.
        kind: (m,) a `PairKind`.
    """

    features: Float[Tensor, "m f"]
    soft_targets: Float[Tensor, "m c"]
    kind: Int64[Tensor, " m"]


@dataclass(frozen=True)
class HardPairMixup:
    """Hard pairs of Core-tuning, mixed from the features of a labelled batch.

    Zhang et al. 2021, arXiv 2102.06605. For anchor i with features z, labels alike::

        positive   lam z_hp + (1 - lam) z_hn,   hp the least similar row of i's class, hn the most similar of another
        negative   (1 - lam) z_i + lam z_n,     n a random row of another class, lam >= min_negative_weight

    with cosine similarity and lam ~ Beta(alpha, alpha), drawn for each mixture. A row that is alone in its class has no
    positive, so m = 2n + the number of the others. Pairs are mined in blocks: memory is linear in n. Under several
    processes each mines its own batch.

    Args:
        alpha: of the Beta distribution, > 0; the released code takes 1.
        min_negative_weight: least share of the negative, in [0, 1]; smaller draws are raised to it.
        negatives: "random" draws among the rows of other classes; "shuffle" permutes the batch, as the released code
            does, so that n may be of i's class, or i.
        hard_positive: "paper" as above. "released" is what that code does: it takes the least of the similarities with
            all non-positives set to 0, the first one in case of a tie, and i itself where that is row 0. With features
            after a ReLU, none below 0, that is i itself or a row of another class, hardly ever a positive.
        detach_originals: stop the gradient through the originals but not through the mixtures; the released code does.
        generator: draws; ``None`` takes torch's default one.

    Raises:
        ValueError: settings out of range.

    >>> z, y = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    >>> HardPairMixup(generator=torch.Generator().manual_seed(0))(z, y, 2).kind.tolist()  # row 2 is alone in its class
    [0, 0, 0, 1, 1, 1, 2, 2]
    """

    _: KW_ONLY
    alpha: float = 1.0
    min_negative_weight: float = 0.8
    negatives: Negatives = "random"
    hard_positive: HardPositive = "paper"
    detach_originals: bool = False
    generator: torch.Generator | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_positive("alpha", self.alpha, usual="1")
        if not 0 <= self.min_negative_weight <= 1:
            raise ValueError(f"min_negative_weight must be in [0, 1], got {self.min_negative_weight!r}")
        check_choice("negatives", self.negatives, get_args(Negatives))
        check_choice("hard_positive", self.hard_positive, get_args(HardPositive))

    def __call__(self, features: Float[Tensor, "n f"], targets: Int64[Tensor, " n"], num_classes: int) -> MixedBatch:
        """The mixed batch: originals, then a negative for each, then a positive for each that has one.

        Args:
            features: what the encoder gives; neither normalised nor of a certain sign.
            targets: class of each row, 0 to ``num_classes - 1``.
            num_classes: c, >= 2.

        Raises:
            TypeError: integer features, targets that are not int64.
            ValueError: shapes, targets out of range, a batch of one class, which has no negatives.
        """
        check_embeddings("features", features)
        check_labels(targets, len(features))
        check_at_least("num_classes", num_classes, 2, "there would be no negatives")
        check_at_least("the number of rows", len(features), 2, "there is nothing to mix with")
        if int(targets.min()) < 0 or int(targets.max()) >= num_classes:
            raise ValueError(
                f"targets must be in 0 .. {num_classes - 1}, got {int(targets.min())} to {int(targets.max())}"
            )
        _, group, sizes = torch.unique(targets, return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            raise ValueError(
                f"all {len(targets)} rows are of class {int(targets[0])}, so there is no negative to mix; sample "
                "batches of several classes"
            )
        where = "cpu" if self.generator is None else self.generator.device
        rng = np.random.default_rng(int(torch.randint(2**62, (), generator=self.generator, device=where)))
        anchor = torch.arange(len(targets), device=targets.device)
        negative = self._negatives(group, sizes, rng)
        hard_positive, hard_negative, found = _mine(features.detach(), group, self.hard_positive)

        dtype = torch.promote_types(features.dtype, torch.float32)
        one_hot = torch.nn.functional.one_hot(targets, num_classes).to(dtype)
        originals = features.detach() if self.detach_originals else features
        share = self._shares(len(anchor), features, rng, least=self.min_negative_weight)
        away = _mix(features, one_hot, negative, anchor, share)
        share = self._shares(len(anchor), features, rng)[found]
        near = _mix(features, one_hot, hard_positive[found], hard_negative[found], share)
        kind = torch.repeat_interleave(
            torch.tensor(list(PairKind), device=targets.device),
            torch.tensor([len(anchor), len(anchor), len(share)], device=targets.device),
        )
        return MixedBatch(torch.cat([originals, away[0], near[0]]), torch.cat([one_hot, away[1], near[1]]), kind)

    def _shares(self, count: int, like: Tensor, rng: np.random.Generator, *, least: float = 0.0) -> Tensor:
        share = torch.from_numpy(rng.beta(self.alpha, self.alpha, (count, 1))).clamp(min=least)
        return share.to(like.device)

    def _negatives(self, group: Tensor, sizes: Tensor, rng: np.random.Generator) -> Tensor:
        if self.negatives == "shuffle":
            return torch.from_numpy(rng.permutation(len(group))).to(group.device)
        # Class by class, the rows of other classes lie before and after the own stretch.
        order, ends = torch.argsort(group, stable=True), sizes.cumsum(0)
        size, start = sizes[group], (ends - sizes)[group]
        place = torch.from_numpy(rng.integers((len(group) - size).cpu().numpy())).to(group.device)
        return order[torch.where(place < start, place, place + size)]


def _mix(features: Tensor, labels: Tensor, first: Tensor, second: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """``share`` of the first rows and the rest of the second ones, features and labels alike."""
    part, rest = share.to(features.dtype), (1 - share).to(features.dtype)
    mixed = part * features[first] + rest * features[second]
    part, rest = share.to(labels.dtype), (1 - share).to(labels.dtype)
    return mixed, part * labels[first] + rest * labels[second]


@torch.no_grad()
def _mine(
    features: Float[Tensor, "n f"], group: Int64[Tensor, " n"], hard_positive: HardPositive
) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Bool[Tensor, " n"]]:
    """Hardest positive and hardest negative of each row, and whether there is a positive."""
    unit = unit_rows(features)
    everyone = torch.arange(len(unit), device=unit.device)
    positives, negatives, found = [], [], []
    for anchors in everyone.split(max(1, BLOCK // len(unit))):
        cosine = block_logits(unit[anchors], unit)  # (b, n)
        same = group[anchors, None] == group
        positive = same & (anchors[:, None] != everyone)
        negatives.append(cosine.masked_fill(same, -torch.inf).argmax(dim=1))
        if hard_positive == "paper":
            positives.append(cosine.masked_fill(~positive, torch.inf).argmin(dim=1))
            found.append(positive.any(dim=1))
        else:
            least = (cosine * positive).argmin(dim=1)
            positives.append(torch.where(least == 0, anchors, least))
            found.append(torch.ones_like(least, dtype=torch.bool))
    return torch.cat(positives), torch.cat(negatives), torch.cat(found)
