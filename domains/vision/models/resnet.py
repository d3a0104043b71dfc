"""A ResNet whose width, depth and stem are settings, for images of 8 to a few hundred pixels."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from core.checks import check_at_least, check_choice

__all__ = ["Depth", "ResNet", "Stem"]

Depth = Literal[10, 18, 34, 50]
Stem = Literal["auto", "small", "medium", "large"]
_BLOCKS: dict[int, tuple[int, ...]] = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}


class ResNet(nn.Module):
    """He et al. 2016, arXiv 1512.03385, with a stem for small images.

    Four stages of ``width``, 2, 4 and 8 times ``width`` channels; global average pooling. Depths 10, 18 and 34 have
    basic blocks, 50 bottlenecks of expansion 4 with the stride in the 3 x 3 convolution. The last BatchNorm of each
    block starts at scale 1, as in the paper. Weights lie in channels-last order, which is faster on CPUs.

    Args:
        width: channels of the first stage, >= 1; the paper's is 64.
        depth: 10 (not in the paper: one block per stage), 18, 34 or 50.
        stem: "small" is 3 x 3 with stride 1 and no pooling, as all CIFAR recipes have it; "medium" 3 x 3 with stride 2,
            a quarter of the cost; "large" the paper's 7 x 7 with stride 2 and max-pooling.

    Attributes:
        out_dim: width of the pooled rows.

    Raises:
        ValueError: a width below 1, another depth or stem.

    >>> net = ResNet(width=8, depth=10, stem="small")
    >>> net(torch.zeros(2, 3, 32, 32)).shape, net.feature_map(torch.zeros(2, 3, 32, 32)).shape
    (torch.Size([2, 64]), torch.Size([2, 64, 4, 4]))
    """

    def __init__(self, width: int = 64, depth: Depth = 18, stem: Literal["small", "medium", "large"] = "small") -> None:
        super().__init__()
        check_at_least("width", width, 1)
        if depth not in _BLOCKS:
            raise ValueError(f"depth must be one of {', '.join(map(str, _BLOCKS))}, got {depth!r}")
        check_choice("stem", stem, [s for s in get_args(Stem) if s != "auto"])
        first = (
            nn.Conv2d(3, width, 7, 2, 3, bias=False) if stem == "large" else _conv3(3, width, 1 + (stem == "medium"))
        )
        parts: list[nn.Module] = [first, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        if stem == "large":
            parts.append(nn.MaxPool2d(3, 2, 1))
        channels = width
        for stage, blocks in enumerate(_BLOCKS[depth]):
            inner = width * 2**stage
            for block in range(blocks):
                kind = _Bottleneck if depth == 50 else _Basic
                parts.append(kind(channels, inner, 2 if stage and not block else 1))
                channels = inner * kind.expansion
        self.layers = nn.Sequential(*parts)
        self.out_dim = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_map(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c a b"]:
        """The last stage before pooling, one eighth (small stem), a sixteenth or a 32nd of the side."""
        x = x.contiguous(memory_format=torch.channels_last)
        found: Tensor = self.layers(x)
        return found

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c"]:
        """Pooled features."""
        return self.feature_map(x).mean(dim=(2, 3))


def _conv3(channels: int, out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, stride, 1, bias=False)


class _Block(nn.Module):
    """Sum of a path of convolutions and a shortcut."""

    expansion = 1

    def __init__(self, path: nn.Sequential, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.path = path
        self.shortcut = nn.Sequential()
        if stride > 1 or channels != out:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.path(x).add_(self.shortcut(x)), inplace=True)


class _Basic(_Block):
    def __init__(self, channels: int, inner: int, stride: int) -> None:
        path = nn.Sequential(
            _conv3(channels, inner, stride),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            _conv3(inner, inner),
            nn.BatchNorm2d(inner),
        )
        super().__init__(path, channels, inner, stride)


class _Bottleneck(_Block):
    expansion = 4

    def __init__(self, channels: int, inner: int, stride: int) -> None:
        path = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            _conv3(inner, inner, stride),
            nn.BatchNorm2d(inner),
            nn.ReLU(inplace=True),
            nn.Conv2d(inner, 4 * inner, 1, bias=False),
            nn.BatchNorm2d(4 * inner),
        )
        super().__init__(path, channels, 4 * inner, stride)
