"""Images in memory: what every reader returns and every method takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["ImageBatch", "ImageSet"]


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """What a training step sees.

    Attributes:
        images: ``(b, 3, h, w)`` uint8, RGB.
        index: ``(b,)`` int64, positions among the training images; losses with per-sample state use them.
        labels: ``(b,)`` int64 classes, -1 where unknown; None without classes.
        targets: ``(b,)`` float32 for regression; None without.
    """

    images: Tensor
    index: Tensor
    labels: Tensor | None = None
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ImageBatch:
        """The same batch on a device."""
        moved = [None if part is None else part.to(device) for part in (self.labels, self.targets)]
        return ImageBatch(self.images.to(device), self.index.to(device), *moved)


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, with whatever is known about them.

    Attributes:
        images: ``(n, 3, h, w)`` uint8, RGB; grey images have three equal channels.
        name: for messages and records.
        labels: ``(n,)`` int64 classes 0..C-1, -1 where unknown; None without classes.
        targets: ``(n,)`` float32, a number for each image; None without.
        class_names: of the classes, in their order.
        test: ``(n,)`` bool, the official test part; None where there is none and a split must be drawn.
        attributes: further classes of each image by name, ``(n,)`` int64: the domain of PACS, the digit on a picture.
        files: name of each image, or empty.
        facts: licence, source and the like, for the artifact.
    """

    images: Tensor
    name: str
    labels: Tensor | None = None
    targets: Tensor | None = None
    class_names: tuple[str, ...] = ()
    test: Tensor | None = None
    attributes: Mapping[str, Tensor] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.dim() != 4 or self.images.shape[1] != 3:
            raise ValueError(
                f"images must be uint8 of shape (n, 3, h, w), got {self.images.dtype} {tuple(self.images.shape)}"
            )
        beside = {"labels": self.labels, "targets": self.targets, "test": self.test, **self.attributes}
        for name, value in beside.items():
            if value is not None and value.shape != (count,):
                raise ValueError(f"{name} must have shape ({count},), one per image, got {tuple(value.shape)}")
        if self.labels is not None and count and int(self.labels.max()) >= len(self.class_names):
            raise ValueError(f"label {int(self.labels.max())} has no name among {len(self.class_names)} classes")
        if self.files and len(self.files) != count:
            raise ValueError(f"{len(self.files)} file names for {count} images")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """Number of named classes; 0 without labels."""
        return len(self.class_names)

    @property
    def size(self) -> int:
        """The longer side, in pixels."""
        return int(max(self.images.shape[-2:]))

    def select(self, rows: Tensor) -> ImageSet:
        """The images at some positions, in their order.

        Args:
            rows: ``(m,)`` int64 positions or ``(n,)`` bool.
        """
        rows = rows.nonzero().flatten() if rows.dtype == torch.bool else rows
        part = [None if value is None else value[rows] for value in (self.labels, self.targets, self.test)]
        return replace(
            self,
            images=self.images[rows],
            labels=part[0],
            targets=part[1],
            test=part[2],
            attributes={name: value[rows] for name, value in self.attributes.items()},
            files=tuple(self.files[row] for row in rows.tolist()) if self.files else (),
        )

    def batch(self, rows: Tensor) -> ImageBatch:
        """Some images as a training batch; ``index`` is their positions in this set.

        Args:
            rows: ``(b,)`` int64 positions.
        """
        return ImageBatch(
            self.images[rows],
            rows,
            None if self.labels is None else self.labels[rows],
            None if self.targets is None else self.targets[rows],
        )
