"""What all vision methods share: backbone, views, optimiser, frozen embeddings."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from core.checks import check_at_least, check_choice, check_positive
from core.errors import unknown_name
from core.training.lars import LARS
from core.training.method import Method, MethodSettings
from domains.vision.augment import RECIPES, CropGroup, MultiCrop, Recipe, ViewGenerator
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.models import make_backbone
from domains.vision.models.resnet import Depth, Stem

__all__ = ["V", "VisionMethod", "VisionSettings", "recipe_for"]

EMBED_BATCH = 512
"""Images that are embedded together."""


@dataclass(frozen=True)
class VisionSettings(MethodSettings):
    """Settings that every vision method has. The defaults are the suite's own, for small images and a CPU.

    The papers train for 100 to 1000 epochs with SGD or LARS; the presets hold such recipes.

    Attributes:
        batch_size: images in a batch, of all processes together.
        optimizer: "lars" takes no weight decay and no trust ratio for biases and BatchNorm.
        lr: learning rate after warm-up, > 0.
        momentum: of "sgd" and "lars", in [0, 1).
        trust: coefficient of "lars", > 0; SimCLR 0.001, solo-learn 0.02 on CIFAR.
        trust_clip: whether no tensor of "lars" learns faster than ``lr``; solo-learn clips.
        schedule: after warm-up, step by step: "cosine" to 0, or "constant".
        warmup: epochs of linear warm-up, >= 0, may be a fraction.
        backbone: "resnet", or a network of MONAI or transformers, as "monai:densenet121".
        width: channels of the first stage of "resnet".
        depth: of "resnet".
        stem: of "resnet"; "auto" is "small" up to 48 pixels, "medium" up to 112, then "large".
        recipe: of the random views; "auto" is "digits" for grey images up to 32 pixels, "cifar" for others up to 48,
            and beyond what the method's paper takes. "byol_1+byol_2" takes another for each view, in turn.
        view_size: side of the views in pixels; 0 takes the images' own.
    """

    batch_size: int = 256
    optimizer: Literal["adam", "adamw", "sgd", "lars"] = "adam"
    weight_decay: float = 1e-6
    momentum: float = 0.9
    trust: float = 0.001
    trust_clip: bool = False
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 1.0
    backbone: str = "resnet"
    width: int = 32
    depth: Depth = 18
    stem: Stem = "auto"
    recipe: str = "auto"
    view_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("batch_size", self.batch_size, 2)
        check_at_least("view_size", self.view_size, 0)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not (math.isfinite(self.warmup) and self.warmup >= 0):
            raise ValueError(f"warmup must be >= 0 epochs, got {self.warmup}")
        check_positive("trust", self.trust)
        for name in self.recipe.split("+"):
            if name != "auto" and name not in RECIPES:
                raise unknown_name("recipe", name, ["auto", *RECIPES])


V = TypeVar("V", bound=VisionSettings)


def recipe_for(name: str, size: int, grey: bool, large: str = "simclr") -> Recipe:
    """The recipe of that name; "auto" chooses by the images.

    Args:
        name: a key of `domains.vision.augment.RECIPES`, or "auto".
        size: side of the images in pixels.
        grey: whether they have no colour.
        large: what "auto" is for images above 48 pixels.
    """
    if name != "auto":
        return RECIPES[name]
    if grey and size <= 32:
        return RECIPES["digits"]
    return RECIPES["cifar" if size <= 48 else large]


class VisionMethod(Method[V]):
    """Base of the methods that represent images.

    Args:
        settings: of the method.
        size: side of the images in pixels; others are resized to it before they come here.
        mean: of the three channels of the training images, in [0, 1].
        std: of the three channels, > 0.
        num_images: number of training images; losses with a state for each image need it.
        num_classes: number of classes, 0 without labels.
        grey: whether the images have no colour.
        target_mean: of the training targets, in their unit.
        target_std: of the training targets, > 0.
        generator: of every random draw.

    Attributes:
        encoder: the backbone; ``encoder.out_dim`` is the width of the embeddings.
        view: makes one random view of a batch, the first where they differ; see `random_views`.
    """

    needs: Literal["images", "labels", "targets"] = "images"
    """What the training data must have."""
    large_recipes: ClassVar[tuple[str, ...]] = ("simclr",)
    """What the recipe "auto" is for images above 48 pixels, view by view in turn."""

    def __init__(
        self,
        settings: V,
        *,
        size: int,
        mean: Sequence[float],
        std: Sequence[float],
        num_images: int = 1,
        num_classes: int = 0,
        grey: bool = False,
        target_mean: float = 0.0,
        target_std: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> None:
        spec = {
            "mean": list(mean),
            "std": list(std),
            "num_images": num_images,
            "num_classes": num_classes,
            "grey": grey,
            "target_mean": target_mean,
            "target_std": target_std,
        }
        super().__init__(settings, generator=generator, size=size, **spec)
        s = settings
        self.size, self.num_images, self.num_classes, self.grey = size, num_images, num_classes, grey
        self.target_mean, self.target_std = target_mean, target_std
        self.view_size = s.view_size or size
        self.encoder = make_backbone(s.backbone, size=self.view_size, width=s.width, depth=s.depth, stem=s.stem)
        self.out_dim: int = self.encoder.out_dim  # type: ignore[assignment]  # every backbone has it
        self.view = self.view_generator(s.recipe.split("+")[0])
        self._plain = self.view_generator("test")

    def recipes(self, count: int) -> list[Recipe]:
        """The recipe of each view: those of the setting, or what "auto" stands for, in turn.

        Args:
            count: views of each image.
        """
        names, large = self.settings.recipe.split("+"), self.large_recipes
        turns = [(names[view % len(names)], large[view % len(large)]) for view in range(count)]
        return [recipe_for(name, self.size, self.grey, other) for name, other in turns]

    def random_views(self, images: UInt8[Tensor, "n 3 h w"], count: int) -> list[Tensor]:
        """Random views of a batch, ``(n, 3, size, size)`` each.

        Args:
            images: of the batch.
            count: views of each image.
        """
        groups = [CropGroup(recipe, self.view_size) for recipe in self.recipes(count)]
        return MultiCrop(groups, self.view.mean, self.view.std)(images, self.generator)

    def view_generator(self, recipe: str, size: int | None = None) -> ViewGenerator:
        """A maker of random views in this method's size and normalisation.

        Args:
            recipe: its name, or "auto".
            size: side of the views; None takes the method's.
        """
        chosen = recipe_for(recipe, self.size, self.grey, self.large_recipes[0])
        red, green, blue = self.input_spec["mean"]
        deviations = self.input_spec["std"]
        return ViewGenerator(
            chosen, size or self.view_size, (red, green, blue), (deviations[0], deviations[1], deviations[2])
        )

    def embed(self, batch: ImageBatch | Tensor) -> Float[Tensor, "n d"]:
        """Frozen backbone features ``(n, d)`` of undistorted images, before any head.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
        """
        return self.embed_stage(batch, "backbone")

    @torch.no_grad()
    def embed_stage(self, batch: ImageBatch | Tensor, stage: str) -> Float[Tensor, "n d"]:
        """Frozen features at one stage of encoder and head, in evaluation mode.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
            stage: "backbone", or what ``head.stages`` names: "hidden:1", "projection".
        """
        head = getattr(self, "head", None)
        check_choice("stage", stage, ("backbone",) if head is None else head.stages)
        if head is None or stage == "backbone":
            return self.frozen(batch, self.encoder)
        return self.frozen(batch, lambda view: head.encode(self.encoder(view), stage))

    @torch.no_grad()
    def frozen(self, batch: ImageBatch | Tensor, network: Callable[[Tensor], Tensor]) -> Float[Tensor, "n d"]:
        """What a network gives for undistorted images, in evaluation mode.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
            network: of this module, from views ``(m, 3, size, size)`` to rows.
        """
        images = batch.images if isinstance(batch, ImageBatch) else batch
        training = self.training
        self.eval()
        try:
            parts = [network(self._plain(part.to(self.device), self.generator)) for part in images.split(EMBED_BATCH)]
            return torch.cat(parts).float()
        finally:
            self.train(training)

    def loader(self, train: ImageSet, seed: int) -> Iterable[Any] | None:
        """Batches that the method chooses itself; None leaves them to `domains.vision.batches.make_loader`.

        Args:
            train: the training images.
            seed: of the order.
        """
        return None

    def own_scores(self, test: ImageSet) -> dict[str, float]:
        """Scores of the method's own answers on the test images; none unless it classifies or predicts."""
        return {}

    def trained_parameters(self) -> list[dict[str, Any]]:
        """Parameter groups for the optimiser; all that need a gradient. ``"steady": True`` keeps a group at ``lr``."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """The optimiser, with linear warm-up and a cosine to 0 (or none), step by step."""
        s = self.settings
        groups = self.trained_parameters()
        optimizer: torch.optim.Optimizer
        if s.optimizer == "adam":
            optimizer = torch.optim.Adam(groups, lr=s.lr, weight_decay=s.weight_decay, fused=True)
        elif s.optimizer == "adamw":
            optimizer = torch.optim.AdamW(groups, lr=s.lr, weight_decay=s.weight_decay, fused=True)
        elif s.optimizer == "sgd":
            optimizer = torch.optim.SGD(groups, lr=s.lr, momentum=s.momentum, weight_decay=s.weight_decay)
        else:
            optimizer = LARS(
                groups, lr=s.lr, momentum=s.momentum, weight_decay=s.weight_decay, eta=s.trust, clip=s.trust_clip
            )
        steps = max(1, int(self.trainer.estimated_stepping_batches))
        per_epoch = steps / max(1, s.epochs)

        def factor(step: int) -> float:
            return self.lr_factor(step, steps, per_epoch)

        factors = [(lambda step: 1.0) if group.get("steady") else factor for group in optimizer.param_groups]
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    @property
    def logs_now(self) -> bool:
        """Whether the values of this step go into the log; what costs time to watch is computed only then."""
        if self._trainer is None:
            return False
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set while it is built
        return (self.global_step + 1) % every == 0

    def lr_factor(self, step: int, steps: int, per_epoch: float) -> float:
        """What the learning rate is multiplied by at a step.

        Args:
            step: from 0.
            steps: of the whole training.
            per_epoch: steps of an epoch.
        """
        warm = min(steps - 1, round(self.settings.warmup * per_epoch))
        if step < warm:
            return (step + 1) / (warm + 1)
        if self.settings.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))

    def log_loss(self, loss: Tensor, batch: ImageBatch, **parts: Tensor | float) -> Tensor:
        """Log a loss and its parts by name; returns the loss."""
        self.log("loss", loss, batch_size=len(batch))
        for name, value in parts.items():
            self.log(name, value, batch_size=len(batch))
        return loss

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move a batch; Lightning's own way would copy the frozen container."""
        return batch.to(device)
