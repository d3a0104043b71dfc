"""PixPro's pixel propagation: each pixel becomes a sum of the pixels that resemble it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_positive, check_rate
from core.losses.maps import check_maps, unit_pixels

__all__ = ["PixelPropagation"]


class PixelPropagation(nn.Module):
    """Smooths a feature map along its own similarities; it stands on the online branch only, before the loss.

    Xie et al. 2021 (PixPro), arXiv 2011.10043, eq. 3 and 4; x are the pixels, h a 1 x 1 convolution::

        s(i, j) = max(cos(x_i, x_j), clamp)^gamma        y_i = sum_j s(i, j) h(x_j) / |h(x_j)|

    As in the released code h(x_j) is divided by its length, the pixel itself is in the sum, and the sum is not divided
    by the sum of s: the loss normalises. The asymmetry that it brings is what keeps PixPro from collapse.

    Args:
        dim: channels of the map, >= 1.
        gamma: sharpness, > 0; 2 in the paper and in the published runs (the released parser's default is 1).
        num_layers: of h: 0 is the identity, 1 a convolution with bias, as published, 2 convolution, BatchNorm, ReLU and
            convolution.
        clamp: least similarity, in [0, 1); 0 in the paper.

    Shape:
        ``(n, dim, h, w)`` to the same, in the type of the input; similarities are computed in float32 or better.

    Raises:
        TypeError: integer maps.
        ValueError: settings, maps of another shape or number of channels.

    Relations:
        For orthogonal pixels y_i is h(x_i) of length 1; for gamma near 0 and similarities above 0 the sum of all
        pixels. It commutes with every permutation of the pixels.

    Notes:
        For gamma < 1 the released code adds 1e-6 to every similarity, because the power has no derivative at 0. We add
        it to similarities above 0 only, so that unlike pixels do not count.

    >>> PixelPropagation(2, num_layers=0)(torch.eye(2)[None, :, None]).tolist()  # orthogonal pixels stay
    [[[[1.0, 0.0]], [[0.0, 1.0]]]]
    """

    def __init__(self, dim: int, gamma: float = 2.0, num_layers: int = 1, clamp: float = 0.0) -> None:
        super().__init__()
        check_at_least("dim", dim, 1)
        check_positive("gamma", gamma, usual="1, 2 or 4")
        check_rate("clamp", clamp)
        if num_layers not in (0, 1, 2):
            raise ValueError(f"num_layers must be 0, 1 or 2, got {num_layers!r}")
        self.dim = dim
        self.gamma = gamma
        self.clamp = clamp
        self.transform: nn.Module = nn.Identity()
        if num_layers == 1:
            self.transform = nn.Conv2d(dim, dim, 1)
        elif num_layers == 2:
            first = nn.Conv2d(dim, dim, 1, bias=False)
            self.transform = nn.Sequential(first, nn.BatchNorm2d(dim), nn.ReLU(), nn.Conv2d(dim, dim, 1))

    def extra_repr(self) -> str:
        """Every setting by name; ``num_layers`` shows in the transform."""
        return f"dim={self.dim}, gamma={self.gamma}, clamp={self.clamp}"

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """The propagated map."""
        check_maps("maps", maps)
        if maps.shape[1] != self.dim:
            raise ValueError(f"maps must have dim={self.dim} channels, got shape {tuple(maps.shape)}")
        pixels = unit_pixels(maps)  # (n, p, c)
        values = unit_pixels(self.transform(maps)).to(pixels.dtype)
        with torch.autocast(maps.device.type, enabled=False):
            similarity = (pixels @ pixels.mT).clamp(min=self.clamp)
            if self.gamma < 1:  # no power of 0, whose derivative is infinite
                alike = similarity > 0
                similarity = torch.where(alike, torch.where(alike, similarity + 1e-6, 1.0).pow(self.gamma), 0.0)
            else:
                similarity = similarity.pow(self.gamma)
            propagated = similarity @ values
        return propagated.mT.reshape(maps.shape).to(maps.dtype)
