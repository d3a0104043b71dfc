"""The shared linear map of local contrast: windows of a feature map to short vectors."""

from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least
from core.losses.maps import check_maps
from core.losses.regions import check_regions, region_windows

__all__ = ["RegionProjection"]


class RegionProjection(nn.Module):
    """Reads the regions of a map and maps each, flattened, with one linear map without bias.

    Chaitanya et al. 2020, arXiv 2006.10511: ``core.losses.LocalRegionLoss`` compares its output. Where the regions lie
    is told in `core.losses.regions`; it is the same in both views, which therefore must not differ in geometry.

    Args:
        in_channels: channels of the map, >= 1.
        out_dim: width of a region vector; 128 in the released code.
        num_regions: 13, or 9.
        window: side of a window, in pixels of the map; 3 in the released code.

    Shape:
        ``(n, in_channels, h, w)`` to ``(n, num_regions, out_dim)``; h and w at least ``window + 4``.

    Raises:
        TypeError: integer maps.
        ValueError: settings, maps of another shape or too small.

    >>> import torch
    >>> RegionProjection(4, 16)(torch.ones(2, 4, 8, 8)).shape
    torch.Size([2, 13, 16])
    """

    def __init__(self, in_channels: int, out_dim: int = 128, *, num_regions: int = 13, window: int = 3) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_dim", out_dim), ("window", window)):
            check_at_least(name, value, 1)
        check_regions(num_regions)
        self.in_channels = in_channels
        self.num_regions = num_regions
        self.window = window
        self.linear = nn.Linear(in_channels * window * window, out_dim, bias=False)

    def extra_repr(self) -> str:
        """Every setting by name; the width shows in the linear map."""
        return f"in_channels={self.in_channels}, num_regions={self.num_regions}, window={self.window}"

    def forward(self, maps: Float[Tensor, "n c h w"]) -> Float[Tensor, "n r d"]:
        """The region vectors."""
        check_maps("maps", maps)
        if maps.shape[1] != self.in_channels:
            raise ValueError(f"maps must have in_channels={self.in_channels}, got shape {tuple(maps.shape)}")
        projected: Tensor = self.linear(region_windows(maps, num_regions=self.num_regions, window=self.window))
        return projected
