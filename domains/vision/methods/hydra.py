"""Hydra, later SimLAP: any two classes attract each other in the dimensions that a gate opens for the two."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from core.checks import check_at_least, check_choice, check_not_negative
from core.distributed import GatheredLoss
from core.heads import FeatureGate, ProjectionHead
from core.heads.feature_gate import gate_entropy
from core.losses import ClassPairContrastiveLoss, SupConLoss
from core.samplers import ClassPairSampler
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.answers import labels_of
from domains.vision.methods.base import VisionMethod, VisionSettings

__all__ = ["Hydra", "HydraSettings", "SimLAP"]


@dataclass(frozen=True)
class HydraSettings(VisionSettings):
    """Settings of Hydra. Widths, temperature and mode are the released code's.

    It trains CIFAR-10 for 50 epochs with Adam (lr 1e-3, weight decay 5e-4) and 3 repeats; 2 repeats here cost what the
    two views of other methods cost.

    Attributes:
        repeats: random views of each image that are in a batch, each a row of its own, >= 1.
        hidden: width of the projector's hidden layer.
        projection: width of the projections and of the gates.
        temperature: > 0.
        mode: which classes are paired: "arbitrary" any two of the batch, "distinct" always two, "identical" each with
            itself, which is supervised contrast.
        gate: whether a gate opens dimensions. Without it arbitrary pairs contradict each other, and a row learns only
            from its own class not being among its negatives.
        loss: "SupConLoss", without a gate, takes each row for one of its partner class: SupCon fed arbitrary pairs, the
            control of the released code, or plain SupCon with the mode "identical".
        label_dim: width of the gate's label embeddings.
        gate_hidden: width of the gate's hidden layer.
        fuse: "mean" of the two label embeddings, or "product" of the gates of both.
        variant: similarity: "cosine" of gated rows (the older code), "quadratic" (the newer one).
        include_self: a row is its own positive where its class is paired with itself, as in the code.
        gate_penalty: weight of the gate's entropy, >= 0, which pushes it to 0 and 1; 0 in the code.
        sup_loss: the probe's cross-entropy trains the backbone too.
        sampler: of batches: "none" shuffles, "pk" draws classes and images of each, "class_balanced" makes rare classes
            as frequent as others.
        sampler_settings: of the sampler, as ``{classes_per_batch: 8, samples_per_class: 16}``.
    """

    repeats: int = 2
    hidden: int = 2048
    projection: int = 256
    temperature: float = 0.1
    mode: Literal["arbitrary", "distinct", "identical"] = "arbitrary"
    gate: bool = True
    loss: Literal["ClassPairContrastiveLoss", "SupConLoss"] = "ClassPairContrastiveLoss"
    label_dim: int = 512
    gate_hidden: int = 1024
    fuse: Literal["mean", "product"] = "mean"
    variant: Literal["cosine", "quadratic"] = "cosine"
    include_self: bool = False
    gate_penalty: float = 0.0
    sup_loss: bool = False
    sampler: Literal["none", "pk", "class_balanced"] = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative("gate_penalty", self.gate_penalty)
        for name in ("repeats", "hidden", "projection", "label_dim", "gate_hidden"):
            check_at_least(name, getattr(self, name), 1)
        check_choice("loss", self.loss, ("ClassPairContrastiveLoss", "SupConLoss"))
        if self.gate_penalty and not self.gate:
            raise ValueError("gate_penalty is given, but there is no gate (gate=False)")
        if self.loss == "SupConLoss" and (self.gate or self.include_self):
            raise ValueError("loss='SupConLoss' has no gate and no pairs of a row with itself; pass gate=False")
        if self.sampler == "none" and self.sampler_settings:
            raise ValueError("sampler_settings are given, but no sampler")


class HydraHead(ProjectionHead):
    """Linear, BatchNorm, ReLU, Linear without bias, LayerNorm: the projector of the released code.

    Args:
        in_dim: width of the backbone's rows.
        hidden_dim: width in between.
        out_dim: width of the projections.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int) -> None:
        super().__init__(in_dim, hidden_dim, out_dim, norm="batch")
        self.last = nn.Linear(hidden_dim, out_dim, bias=False)
        self.norm = nn.LayerNorm(out_dim)

    def encode(self, x: Float[Tensor, "n d"], stage: str = "projection") -> Float[Tensor, "n e"]:
        """The feature at one depth, see `core.heads.ProjectionHead`; only the projection is normalised."""
        rows = super().encode(x, stage)
        return self.norm(rows) if stage == "projection" else rows


class Hydra(VisionMethod[HydraSettings]):
    """Wu et al. 2024, arXiv 2410.18200, called SimLAP in its later versions: learning from arbitrary pairs.

    Each row of class y gets a partner class y2; rows of class y2 are its positives, rows of neither class its
    negatives, and both are compared in the dimensions that the gate of (y, y2) opens::

        L = core.losses.class_pair_contrastive(z, y, y2, gate(y, y2))  +  cross-entropy of a probe

    The probe is a linear classifier on the backbone's rows from which no gradient goes back (unless ``sup_loss``).
    Supervised. The gate and the projector are thrown away: ``embed`` gives the backbone's rows. Defaults follow the
    first author's code; it is run here with one joined batch over all processes, labels included, where the older code
    compares local labels with gathered keys. A batch without any positive pair, possible with "distinct" and with one
    repeat, counts as 0.

    Args:
        settings: see `HydraSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "hydra"
    needs = "labels"

    def __init__(self, settings: HydraSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.head = HydraHead(self.out_dim, s.hidden, s.projection)
        self.gate = None
        if s.gate:
            self.gate = FeatureGate(self.num_classes, s.projection, s.label_dim, s.gate_hidden, s.fuse)
        self.partners = ClassPairSampler(s.mode, self.num_classes, generator=self.generator)
        self.probe = nn.Linear(self.out_dim, self.num_classes)
        self.pairs = GatheredLoss(
            ClassPairContrastiveLoss(
                temperature=s.temperature,
                variant=s.variant,
                include_self=s.include_self,
                gate_penalty=s.gate_penalty,
                empty="zero",
            )
        )
        self.groups = GatheredLoss(SupConLoss(temperature=s.temperature))

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Contrast of fresh views in their gates, and the probe's cross-entropy; scalar."""
        s = self.settings
        own = labels_of(batch, self.name).repeat(s.repeats)
        h = self.encoder(torch.cat(self.random_views(batch.images, s.repeats)))
        z = self.head(h)
        partner = self.partners(own)
        gate = torch.ones_like(z) if self.gate is None else self.gate(own, partner)
        supervised = s.loss == "SupConLoss"
        contrast = self.groups(z, partner) if supervised else self.pairs(z, own, partner, gate)
        probe = cross_entropy(self.probe(h if s.sup_loss else h.detach()).float(), own)
        parts = {"contrast": contrast, "probe": probe}
        if self.gate is not None:
            seen = gate.detach()
            parts |= {"gate activation": seen.mean(), "gate entropy": gate_entropy(seen).mean()}
        return self.log_loss(contrast + probe, batch, **parts)

    @torch.no_grad()
    def own_scores(self, test: ImageSet) -> dict[str, float]:
        """Accuracy of the probe that was trained on the way, as "online probe accuracy"."""
        if test.labels is None or test.num_classes != self.num_classes or not bool((test.labels >= 0).any()):
            return {}
        known = test.select(test.labels >= 0)
        assert known.labels is not None
        right = self.probe(self.embed(known.images)).argmax(1).cpu() == known.labels
        return {"online probe accuracy": float(right.double().mean())}


class SimLAP(Hydra):
    """Hydra under the name that the paper's second version gives it: simple learning from arbitrary pairs."""

    name: ClassVar[str] = "simlap"
