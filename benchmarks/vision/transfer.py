"""Transfer: a linear probe on each domain of PACS, on rows of an encoder that never saw it."""

from typing import Any

import torch
from torch import Tensor

from benchmarks.vision.trained import probe
from core.errors import UserError
from domains.vision.data.images import ImageSet
from domains.vision.data.read import read_images
from domains.vision.data.splits import test_rows
from domains.vision.methods.base import VisionMethod

__all__ = ["transfer_data", "transfer_scores"]


def transfer_data(size: int, name: str = "pacs64") -> ImageSet:
    """The images of all domains in the model's size.

    Args:
        size: side in pixels.
        name: of a set whose images have an attribute "domain".
    """
    return read_images(name, size=size)


def transfer_scores(method: VisionMethod[Any] | None, seed: int, *, data: ImageSet) -> dict[str, float]:
    """Accuracy of a linear probe in each domain: half of its images to learn from, half to test on, by class.

    Args:
        method: trained or untrained; None probes the pixels.
        seed: of the halves.
        data: of `transfer_data`.

    Returns:
        "accuracy photo", "accuracy sketch" and so on, in [0, 1], and "accuracy mean" of all domains.

    Raises:
        UserError: images without labels, domains, or in another size than the model's.
    """
    if data.labels is None or "domain" not in data.attributes:
        raise UserError(f"{data.name} must have labels and the attribute 'domain'")
    if method is not None and data.images.shape[-2:] != (method.size, method.size):
        raise UserError(f"the model takes {method.size} x {method.size} pixels; read {data.name} in that size")
    names = data.facts["domain_names"]
    found: dict[str, float] = {}
    for domain in data.attributes["domain"].unique().tolist():
        part = data.select(data.attributes["domain"] == domain)
        tested = torch.zeros(len(part), dtype=torch.bool)
        tested[test_rows(part, 0.5, seed)] = True
        rows = _rows(method, part.images)
        labels: Tensor = torch.as_tensor(part.labels)
        scores = probe(rows[~tested], labels[~tested], {"test": (rows[tested], labels[tested])}, seed)
        found[f"accuracy {names[domain]}"] = scores["test"]
    found["accuracy mean"] = sum(found.values()) / len(found)
    return found


def _rows(method: VisionMethod[Any] | None, images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255 if method is None else method.embed(images).cpu()
