"""The embedded encoder of values: hashed n-grams, trained by contrast on the user's own values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from core.checks import check_at_least, check_temperature
from core.losses import nt_xent
from core.training.loader import EpochLoader
from core.training.method import Method, MethodSettings
from domains.tables.augment import ValueAugmenter
from domains.tables.models.ngrams import HashedNgrams, hash_ngrams

__all__ = ["ValueContrast", "ValueContrastSettings"]


@dataclass(frozen=True)
class ValueContrastSettings(MethodSettings):
    """Settings of the contrast of values; the suite's own, no paper has them.

    Attributes:
        width: d of the vectors.
        buckets: hash buckets of n-grams.
        batch_size: values in a batch, >= 2.
        values: distinct values seen in an epoch; of more, others in each epoch.
        temperature: of NT-Xent, > 0.
    """

    epochs: int = 5
    lr: float = 2e-3
    width: int = 256
    buckets: int = 1 << 15
    batch_size: int = 256
    values: int = 20_000
    temperature: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("width", 1), ("buckets", 1), ("batch_size", 2), ("values", 2)):
            check_at_least(name, getattr(self, name), least)
        check_temperature(self.temperature)


class ValueContrast(Method[ValueContrastSettings]):
    """Values and changed versions of them attract each other, among all other values of a batch (NT-Xent).

    Which n-grams tell values apart is learned from the tables at hand: no download, seconds on a CPU.

    Args:
        settings: see `ValueContrastSettings`.
        **rest: ``generator``, of the initial vectors.
    """

    name: ClassVar[str] = "value_contrast"

    def __init__(self, settings: ValueContrastSettings, **rest: Any) -> None:
        super().__init__(settings, **rest)
        self.network = HashedNgrams(settings.width, settings.buckets, self.generator)
        self.width = settings.width

    def training_step(self, batch: tuple[csr_array, csr_array], batch_idx: int) -> Tensor:
        """NT-Xent of values and their changed versions; scalar."""
        plain, changed = batch
        loss = nt_xent(self.network(plain), self.network(changed), temperature=self.settings.temperature)
        self.log("loss", loss, batch_size=plain.shape[0])
        return loss

    def embed(self, batch: Sequence[str]) -> Float[Tensor, "n d"]:
        """Unit vectors of texts.

        Args:
            batch: texts, not blank.
        """
        return torch.from_numpy(self.encode(batch))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``(k, width)`` unit vectors of k texts.

        Args:
            texts: not blank.
        """
        return self.network.encode(texts)

    def loader(self, texts: Sequence[str], augmenter: ValueAugmenter, seed: int) -> EpochLoader:
        """Batches of n-gram counts of values and of changed versions, new ones in each epoch.

        Args:
            texts: distinct values, two or more.
            augmenter: changes them.
            seed: of the order and the changes.
        """
        s = self.settings
        used = min(len(texts), s.values)
        size = min(s.batch_size, used)

        def batches(generator: torch.Generator) -> Iterable[tuple[csr_array, csr_array]]:
            rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
            order = rng.permutation(len(texts))[: used // size * size]
            for rows in order.reshape(-1, size):
                plain = [texts[row] for row in rows]
                changed = augmenter.values(plain, rng)
                yield hash_ngrams(plain, s.buckets), hash_ngrams(changed, s.buckets)

        return EpochLoader(batches, used // size, seed)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Counts stay what they are; the network moves what it makes of them."""
        return batch
