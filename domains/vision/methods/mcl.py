"""MCL: contrast in stages, each among images that all stages before found alike."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice
from core.multistage import Integration, MultistageEncoder
from core.samplers import cluster_features
from core.samplers.feature_aware import SmallGroups
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.one_network import OneNetwork, OneNetworkSettings
from domains.vision.staged_batches import StagedLoader

__all__ = ["MCL", "MCLSettings"]

Init = Literal["scratch", "previous", "base"]


@dataclass(frozen=True)
class MCLSettings(OneNetworkSettings):
    """Settings of multistage contrastive learning.

    K = 10 is the released setting, for CLIP with an ordinary stage and three more. The other defaults are the suite's:
    "merge" because on small sets the joint clusters of two stages seldom fill a batch, and released code drops them.
    Loss and its settings are those of every stage, NT-Xent unless ``loss`` says otherwise.

    Attributes:
        epochs: of all stages together, a multiple of ``stages``.
        stages: the ordinary one and further ones, >= 1; one alone is SimCLR.
        num_clusters: K of each stage's k-means, >= 2.
        init: weights that a stage starts from: "scratch" are new ones, "previous" those of the stage before, "base"
            those that stage 0 started from, for pretrained encoders.
        integration: how the stages are joined: "concat" gives all the same weight, "concat_raw" is the released
            notebook's, in which longer features weigh more.
        small_groups: what becomes of groups below a batch: "merge" joins neighbouring ones, "drop" never sees them,
            "smaller_batch" makes a batch of each.
    """

    epochs: int = 300
    stages: int = 3
    num_clusters: int = 10
    init: Init = "scratch"
    integration: Integration = "concat"
    small_groups: SmallGroups = "merge"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("stages", self.stages, 1)
        check_at_least("num_clusters", self.num_clusters, 2, "one cluster makes every stage a plain run")
        for name, kind in (("init", Init), ("integration", Integration), ("small_groups", SmallGroups)):
            check_choice(name, getattr(self, name), get_args(kind))
        if self.epochs % self.stages:
            raise ValueError(f"epochs must be a multiple of stages={self.stages}, got {self.epochs}")
        if self.sampler not in ("none", "hard_negative_mixing", "hallucinator"):
            raise ValueError(
                f"mcl chooses its batches and their negatives itself: sampler must be none, hard_negative_mixing or "
                f"hallucinator, got {self.sampler!r}"
            )


class MCL(OneNetwork[MCLSettings]):
    """Zhang et al. 2024, arXiv 2402.11816: what one stage has learnt is of no use to the next.

    Stage 0 is SimCLR, bit for bit. When a stage ends, the training images are embedded undistorted by its backbone and
    clustered by k-means. The next stage takes its batches from one joint cluster of ALL stages so far, so that all
    negatives of an image share with it what these stages have learnt, and something else must be learnt to tell them
    apart. The loss is the same in every stage; optimiser, schedule and the loss's own state start anew. Finished
    encoders stay as they are, and an embedding joins them all (`core.multistage.MultistageEncoder`).

    The released code forgets all clusters but those of the latest stage; the paper's joint label is followed here, see
    `core.samplers.joint_labels`. A later stage alone may be worse than stage 0: compare the joined embedding, and with
    several plain runs joined likewise, since joining alone helps.

    Args:
        settings: see `MCLSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Attributes:
        encoder: of the stage in training, or of the last one.
        earlier: encoders of the stages that have ended; copies of the first start for those to come.
        stage: how many stages have ended before the present one.
    """

    name: ClassVar[str] = "mcl"
    stage: Tensor

    def __init__(self, settings: MCLSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        # Copies, since a new network would draw from the generator that stage 0 shares with SimCLR.
        self.earlier = nn.ModuleList(copy.deepcopy(self.encoder) for _ in range(settings.stages - 1))
        self.earlier.requires_grad_(False)
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))
        self._clusters: list[Tensor] = []
        self.base: nn.ModuleList | None = None
        if settings.init == "base":
            self.base = nn.ModuleList([copy.deepcopy(self.encoder), copy.deepcopy(self.head)]).requires_grad_(False)

    def loader(self, train: ImageSet, seed: int) -> StagedLoader:
        """Batches that follow the stages."""
        s = self.settings
        return StagedLoader(train, s.batch_size, seed, num_clusters=s.num_clusters, small_groups=s.small_groups)

    @property
    def embedding_stages(self) -> tuple[str, ...]:
        """What `embed_stage` can be asked for beside the stages of the head: "stage:0" up to the present one."""
        return tuple(f"stage:{number}" for number in range(int(self.stage) + 1))

    def embed(self, batch: ImageBatch | Tensor) -> Float[Tensor, "n d"]:
        """Frozen features of all stages so far, joined.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
        """
        return self.embed_first(batch, int(self.stage) + 1)

    def embed_first(self, batch: ImageBatch | Tensor, stages: int) -> Float[Tensor, "n d"]:
        """Frozen features of the first stages, joined: what an earlier end of training would have given.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
            stages: 1 up to the number of stages so far.

        Raises:
            ValueError: another number.
        """
        begun = int(self.stage) + 1
        if not 1 <= stages <= begun:
            raise ValueError(f"stages must be in 1..{begun}, the stages that have begun, got {stages}")
        return self.frozen(batch, MultistageEncoder(self._encoders()[:stages], self.settings.integration).eval())

    def embed_stage(self, batch: ImageBatch | Tensor, stage: str) -> Float[Tensor, "n d"]:
        """Frozen features of one stage of training alone, or at one stage of the present encoder and head.

        Args:
            batch: a batch, or uint8 images ``(n, 3, h, w)``.
            stage: one of `embedding_stages`, "backbone", or what ``head.stages`` names.
        """
        if stage in self.embedding_stages:
            return self.frozen(batch, self._encoders()[int(stage.removeprefix("stage:"))])
        return super().embed_stage(batch, stage)

    def _encoders(self) -> list[nn.Module]:
        return [*self.earlier[: int(self.stage)], self.encoder]

    @property
    def epochs_per_stage(self) -> int:
        """Passes over the training images in each stage."""
        return self.settings.epochs // self.settings.stages

    def lr_factor(self, step: int, steps: int, per_epoch: float) -> float:
        """The schedule of the base, anew in each stage."""
        steps = max(1, steps // self.settings.stages)
        return super().lr_factor(step % steps, steps, per_epoch)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the clusters, so that a resumed run has the same groups."""
        checkpoint["clusters"] = list(self._loader().clusters)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the clusters out; the loader gets them when training starts."""
        self._clusters = checkpoint["clusters"]

    def on_train_start(self) -> None:
        """Bring the loader of a resumed run into its stage; remember what stage 0 starts from, if stages need it."""
        loader = self._loader()
        for clusters in self._clusters[loader.stage :]:
            loader.begin_stage(clusters)
        if self.base is not None and self.global_step == 0:
            for kept, part in zip(self.base, (self.encoder, self.head), strict=True):
                kept.load_state_dict(part.state_dict())

    def on_train_epoch_start(self) -> None:
        """Tell the objective how far the stage is, and log how many images it never sees."""
        epoch = self.current_epoch % max(1, self.epochs_per_stage)
        self.objective.set_progress(epoch / max(1, self.epochs_per_stage))
        for part in self.objective.modules():
            set_epoch = getattr(part, "set_epoch", None)
            if set_epoch is not None:  # schedules inside the loss count the epochs of the stage, not of the run
                set_epoch(epoch)
        if int(self.stage):
            self.log("unseen share", self._loader().unseen, batch_size=1)

    def on_train_epoch_end(self) -> None:
        """Begin the next stage after the last epoch of one; checkpoints are written after this."""
        done = self.current_epoch + 1
        if done < self.settings.epochs and done % self.epochs_per_stage == 0:
            self._next_stage()

    def _loader(self) -> StagedLoader:
        loader = self.trainer.train_dataloader
        if not isinstance(loader, StagedLoader):
            raise TypeError(f"mcl trains on mcl.loader(images, seed), not on a {type(loader).__name__}")
        return loader

    def _next_stage(self) -> None:
        loader = self._loader()
        features = self.frozen(loader.data.images, self.encoder).cpu()
        clusters = cluster_features(features, self.settings.num_clusters, seed=loader.seed)
        # Rounding may differ between machines; all must agree on groups and new weights.
        seed = int(torch.randint(2**31, (), generator=self.generator))
        clusters, seed = self.trainer.strategy.broadcast((clusters, seed))
        loader.begin_stage(clusters)
        self.earlier[int(self.stage)].load_state_dict(self.encoder.state_dict())
        self.stage += 1
        self._start_stage(seed)
        for optimizer in self.trainer.optimizers:
            optimizer.state.clear()

    def _start_stage(self, seed: int) -> None:
        """Set encoder, head and loss to where the stage starts from."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = MCL(self.settings, generator=torch.Generator().manual_seed(seed), **self.input_spec)
        self.objective.load_state_dict(fresh.objective.state_dict())
        if self.settings.init != "previous":
            origin = (fresh.encoder, fresh.head) if self.base is None else self.base
            for part, start in zip((self.encoder, self.head), origin, strict=True):
                part.load_state_dict(start.state_dict())
