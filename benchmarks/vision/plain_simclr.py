"""SimCLR as one writes it with PyTorch and kornia: the rival of the speed comparison, not crippled and not tuned."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from domains.vision.augment import Recipe

__all__ = ["PlainResNet10", "PlainSimCLR", "kornia_chain"]


def kornia_chain(recipe: Recipe, size: int, mean: Tensor, std: Tensor) -> nn.Module:
    """The same random changes with kornia, each sample with its own parameters.

    Args:
        recipe: what may change; one without rotation and without centre.
        size: side of the views.
        mean: of the channels.
        std: of the channels.
    """
    import kornia.augmentation as augment

    r = recipe
    parts: list[Any] = [
        augment.RandomResizedCrop((size, size), scale=r.crop_scale, ratio=r.crop_ratio),
        augment.RandomHorizontalFlip(p=r.flip),
    ]
    if r.jitter:
        parts.append(augment.ColorJitter(r.brightness, r.contrast, r.saturation, r.hue, p=r.jitter))
    if r.grey:
        parts.append(augment.RandomGrayscale(p=r.grey))
    if r.blur:
        kernel = max(3, size // 10 // 2 * 2 + 1)  # SimCLR: a tenth of the side
        parts.append(augment.RandomGaussianBlur((kernel, kernel), r.blur_sigma, p=r.blur))
    if r.solarise:
        parts.append(augment.RandomSolarize(thresholds=(0.5, 0.5), additions=(0.0, 0.0), p=r.solarise))
    parts.append(augment.Normalize(mean, std))
    return augment.AugmentationSequential(*parts, data_keys=["input"])


class PlainResNet10(nn.Module):
    """Our ResNet-10 with the medium stem as one writes it; its parameters have the same order.

    Args:
        width: channels of the first stage.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        stages = [width, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential(
            *(_PlainBlock(stages[i], stages[i + 1], 1 if i == 0 else 2) for i in range(4)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features."""
        pooled: Tensor = self.pool(self.blocks(self.stem(x)))
        return pooled.flatten(1)


class _PlainBlock(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y)) + self.downsample(x)
        found: Tensor = self.relu(y)
        return found


class PlainSimCLR(nn.Module):
    """NT-Xent by ``F.cross_entropy`` on the whole matrix of similarities.

    Args:
        encoder: the network, the same as ours.
        head: the head, the same as ours.
        chain: makes one view of a batch of floats in [0, 1].
        temperature: of the loss.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module, chain: nn.Module, temperature: float) -> None:
        super().__init__()
        self.encoder, self.head, self.chain, self.temperature = encoder, head, chain, temperature

    def forward(self, images: Tensor) -> Tensor:
        """The loss of two fresh views of uint8 images."""
        pixels = images.float() / 255
        z = normalize(self.head(self.encoder(torch.cat([self.chain(pixels), self.chain(pixels)]))), dim=1)
        logits = z @ z.T / self.temperature
        logits.fill_diagonal_(-torch.inf)
        count = len(images)
        return cross_entropy(logits, torch.arange(2 * count).roll(count))
