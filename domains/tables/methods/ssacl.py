"""SSACL: a matcher of tuples that learns from tuples and changed versions of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from core.adversarial import FGM
from core.checks import check_at_least, check_not_negative, check_rate
from core.losses import BinaryNCELoss
from core.training.method import Method, MethodSettings
from domains.tables.methods.pairs import PairTensors
from domains.tables.methods.tuple_batch import TupleBatch
from domains.tables.models.matcher import AttentionMatcher, Mixing, Tokens
from domains.tables.models.ngrams import HashedNgrams

__all__ = ["SSACL", "SSACLSettings"]


@dataclass(frozen=True)
class SSACLSettings(MethodSettings):
    """Settings of SSACL.

    The paper's form is ``tokens="embedding", hidden=0, layers=(512, 256, 128), dropout=0.2, lr=1e-4, epochs=30,
    changes=1, hard_negatives=0`` (its current code; the report has lr 1e-6). The defaults are for minutes on a CPU.

    Attributes:
        batch_size: tuples in a batch, >= 1; each comes with all its pairs.
        tuples: tuples of an epoch, >= 2; of more, others in each epoch; of fewer, each up to eight times.
        positives: changed versions of each tuple, N_pos >= 1; no gain above 6 in the report.
        negatives: other tuples for each, N_neg >= 1, drawn uniformly; worse above about 21 in the report, because true
            mates come among them. Those at least as similar as the bound of `IntegrabilityModel` are left out.
        hard_negatives: candidates of blocking for each tuple, below the same bound, >= 0; ours, as the paper has none.
        change: mean share of the values of a tuple that are said otherwise, in [0, 1).
        removal: mean share of the values that go missing, in [0, 1).
        versions: changed versions of a value in an epoch, >= 1; tuples draw among them.
        changes: most changes of one value, see `ValuePerturbation`; the paper's is 1.
        semantic: whether values are substituted by others of the same meaning.
        adversarial: weight of the adversarial positives, >= 0; 0 leaves them out.
        epsilon: L2 length of the adversarial step on the vectors of a tuple, >= 0.
        label_weight: of the pairs with labels, where there are some, >= 0.
        label_batch: pairs with labels in a batch, >= 1.
        tokens: what the attention sees, see `AttentionMatcher`; "embedding" is the paper's.
        mixing: "mean" leaves the attention out.
        hidden: width of the attention; 0 takes that of the value vectors.
        heads: of the attention.
        layers: hidden widths of the perceptron.
        dropout: within the perceptron, in [0, 1).
    """

    epochs: int = 8
    lr: float = 1e-3
    batch_size: int = 32
    tuples: int = 2000
    positives: int = 6
    negatives: int = 20
    hard_negatives: int = 6
    change: float = 0.5
    removal: float = 0.15
    versions: int = 3
    changes: int = 4
    semantic: bool = True
    adversarial: float = 0.5
    epsilon: float = 0.01
    label_weight: float = 1.0
    label_batch: int = 128
    tokens: Tokens = "comparison"
    mixing: Mixing = "attention"
    hidden: int = 64
    heads: int = 1
    layers: tuple[int, ...] = (64,)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"batch_size": 1, "tuples": 2, "positives": 1, "negatives": 1, "hard_negatives": 0, "changes": 1}
        for name, bound in {**least, "label_batch": 1, "versions": 1}.items():
            check_at_least(name, getattr(self, name), bound)
        for name in ("change", "removal"):
            check_rate(name, getattr(self, name))
        for name in ("adversarial", "epsilon", "label_weight"):
            check_not_negative(name, getattr(self, name))


class SSACL(Method[SSACLSettings]):
    """Self-supervised adversarial contrastive learning of pairwise integrability.

    Ji et al., arXiv 2412.00324 (v1 and the technical report before it)::

        L = mean over pairs of [ -log f(t, t+), -log(1 - f(t, t-)) ]  +  w * mean of -log f(t, t + r)

    t+ are changed versions of a tuple, t- other tuples, both new in every epoch; r, of length epsilon on the vectors of
    the tuple, is the step that makes -log f larger, new in every step. The report prints log f for negatives as well,
    without a minus sign: a misprint. Its eq. 8 has a minus sign before the step because its L is a log-likelihood; the
    released code takes -log f and the minus sign, which makes the pair easier. Here it is harder, as the text says.

    Pairs with labels join as ``label_weight`` times their mean cross-entropy.

    Args:
        settings: see `SSACLSettings`.
        width: d of the value vectors.
        buckets: hash buckets of an encoder of values that is kept with the method, untrained until somebody trains it
            (`domains.tables.methods.value_contrast.ValueContrast`); 0 for vectors that come from elsewhere.
        **rest: ``generator``, of the initial weights and of dropout.

    Relations:
        `core.losses.BinaryNCELoss` with the logit as score; `core.adversarial.FGM` with the objective -log f.
    """

    name: ClassVar[str] = "ssacl"

    def __init__(self, settings: SSACLSettings, *, width: int, buckets: int = 0, **rest: Any) -> None:
        super().__init__(settings, width=width, buckets=buckets, **rest)
        s = settings
        self.matcher = AttentionMatcher(
            width,
            hidden=s.hidden,
            heads=s.heads,
            layers=s.layers,
            tokens=s.tokens,
            mixing=s.mixing,
            dropout=s.dropout,
            generator=self.generator,
        )
        self.values = HashedNgrams(width, buckets, self.generator).requires_grad_(False) if buckets else None
        self.loss = BinaryNCELoss()
        self.adversary = FGM(epsilon=s.epsilon)

    def logits(self, pairs: PairTensors) -> Float[Tensor, " p"]:
        """Log odds of pairs, ``log f - log(1 - f)``.

        Args:
            pairs: tuples two by two.
        """
        found: Tensor = self.matcher(pairs.left, pairs.left_mask, pairs.right, pairs.right_mask, self.generator)
        return found

    def training_step(self, batch: TupleBatch, batch_idx: int) -> Tensor:
        """The loss of one batch; scalar."""
        s = self.settings
        logits = self.logits(batch.pairs)
        loss = self._contrastive(logits[batch.same], logits[~batch.same])
        self.log("contrastive", loss, batch_size=len(logits))
        if s.adversarial:
            hard = self.adversarial_loss(batch.tuples)
            self.log("adversarial", hard, batch_size=len(logits))
            loss = loss + s.adversarial * hard
        if batch.labelled is not None and s.label_weight:
            told = functional.binary_cross_entropy_with_logits(self.logits(batch.labelled), batch.labels)
            self.log("labelled", told, batch_size=len(logits))
            loss = loss + s.label_weight * told
        self.log("loss", loss, batch_size=len(logits))
        return loss

    def _contrastive(self, positive: Tensor, negative: Tensor) -> Tensor:
        if len(negative):
            loss: Tensor = self.loss(positive, negative)
            return loss
        return functional.softplus(-positive).mean()  # all other tuples were too similar to be negatives

    def adversarial_loss(self, tuples: PairTensors) -> Float[Tensor, ""]:
        """Mean of -log f(t, t + r) with the step r that makes it larger, ``||r|| = epsilon``.

        Args:
            tuples: each tuple with itself.
        """

        def closure(moved: Tensor) -> Tensor:
            changed = PairTensors(tuples.left, tuples.left_mask, moved, tuples.right_mask)
            return functional.softplus(-self.logits(changed))

        return closure(self.adversary.perturb(closure, tuples.right, mask=tuples.right_mask)).mean()

    @torch.no_grad()
    def embed(self, batch: PairTensors) -> Float[Tensor, "n 1"]:
        """Log odds of pairs as a column: what the method knows of a pair.

        Args:
            batch: tuples two by two.
        """
        return self.logits(batch)[:, None]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; Lightning's own way would copy the frozen container."""
        return batch.to(device)
