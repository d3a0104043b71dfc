"""Backbones by name: the suite's ResNet, networks of MONAI, networks of transformers."""

from typing import Literal

from torch import nn

from core.checks import check_at_least, check_choice
from core.errors import unknown_name
from domains.vision.models.monai_network import MONAI_NAMES, MonaiNetwork
from domains.vision.models.resnet import Depth, ResNet, Stem
from domains.vision.models.transformers_network import TRANSFORMERS_NAMES, TransformersNetwork

__all__ = ["backbone_names", "make_backbone"]

LEAST = 8
"""Side of the smallest images, in pixels."""


def backbone_names() -> tuple[str, ...]:
    """Every name that `make_backbone` takes, besides ``transformers:FOLDER``.

    >>> [name for name in backbone_names() if "net18" in name]
    ['monai:resnet18']
    """
    return ("resnet", *(f"monai:{n}" for n in MONAI_NAMES), *(f"transformers:{n}" for n in TRANSFORMERS_NAMES))


def make_backbone(name: str, *, size: int, width: int, depth: Depth, stem: Stem) -> nn.Module:
    """A network from normalised images ``(n, 3, h, w)``, h and w >= 8, to pooled rows ``(n, out_dim)``.

    All have an integer ``out_dim`` and ``feature_map(x) -> (n, c, h', w')``; none has a head. Weights are random, drawn
    from torch's global generator, unless they come from a folder. Nothing is downloaded.

    Args:
        name: one of `backbone_names`, or ``transformers:FOLDER``: a folder with ``config.json`` and safetensors, as
            transformers' ``save_pretrained`` writes it. A model that was trained from such a folder needs it again when
            it is loaded.
        size: side of the images in pixels, >= 8. Networks that can do so fit their patches or their stem to it.
        width: channels of the first stage of "resnet"; the name fixes those of all others.
        depth: of "resnet"; the name fixes that of all others.
        stem: of "resnet" and of MONAI's ResNets; "auto" is "small" up to 48 pixels, "medium" up to 112, then "large".
            All others have their own.

    Raises:
        UserError: an unknown name, a package that is not installed, a folder without a network.
        ValueError: a size below 8, another stem, or what `ResNet` does not take.

    >>> make_backbone("resnet", size=32, width=16, depth=18, stem="auto").out_dim
    128
    """
    check_at_least("size", size, LEAST)
    check_choice("stem", stem, ("auto", "small", "medium", "large"))
    fixed = _stem(stem, size)
    source, _, rest = name.partition(":")
    if name == "resnet":
        return ResNet(width, depth, fixed)
    if source == "monai" and rest in MONAI_NAMES:
        return MonaiNetwork(rest, fixed)
    if source == "transformers" and rest in TRANSFORMERS_NAMES:
        return TransformersNetwork.built(rest, size)
    if source == "transformers" and ("/" in rest or "\\" in rest or rest.startswith((".", "~"))):
        return TransformersNetwork.from_folder(rest)
    raise unknown_name("backbone", name, [*backbone_names(), "transformers:./FOLDER"])


def _stem(stem: Stem, size: int) -> Literal["small", "medium", "large"]:
    if stem != "auto":
        return stem
    if size <= 48:
        return "small"
    return "medium" if size <= 112 else "large"
