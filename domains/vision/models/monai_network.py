"""Convolutional networks of MONAI without their classifiers."""

from types import ModuleType
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from core.errors import UserError
from domains.vision.models.enlarge import enlarge

__all__ = ["MONAI_NAMES", "MonaiNetwork"]

MONAI_NAMES = (
    *("resnet10", "resnet18", "resnet34", "resnet50", "resnet101"),
    *("densenet121", "densenet169", "densenet201"),
    *("efficientnet-b0", "efficientnet-b1", "efficientnet-b2", "efficientnet-b3", "efficientnet-b4"),
)
"""Names after ``monai:``."""
BASIC = ("resnet10", "resnet18", "resnet34")
"""Those of 512 channels in the last stage; the bottlenecks of the others have four times as many."""


class MonaiNetwork(nn.Module):
    """A two-dimensional network of MONAI for three channels: its stages and global average pooling.

    =========================  ==================================  ==========================
    name                       paper                               images below 32 pixels
    =========================  ==================================  ==========================
    ``resnet10`` to 101        He et al. 2016, arXiv 1512.03385    fit; the stem can be chosen
    ``densenet121`` to 201     Huang et al. 2017, arXiv 1608.06993 are enlarged to 32
    ``efficientnet-b0`` to b4  Tan and Le 2019, arXiv 1905.11946   are enlarged to 32
    =========================  ==================================  ==========================

    EfficientNets drop whole residual branches while training, with draws from torch's global generator.

    Args:
        name: one of `MONAI_NAMES`.
        stem: of the ResNets: "small" is 3 x 3 with stride 1 and no pooling, "medium" 3 x 3 with stride 2, "large" the
            paper's 7 x 7 with stride 2 and max-pooling. The others keep their own, of total stride 4 and 2.

    Attributes:
        out_dim: width of the pooled rows.

    Raises:
        UserError: MONAI is not installed.
    """

    def __init__(self, name: str, stem: Literal["small", "medium", "large"] = "large") -> None:
        super().__init__()
        nets = _monai_networks()
        self.least = 1 if name.startswith("resnet") else 32
        if name.startswith("resnet"):
            kernel, stride = {"small": (3, 1), "medium": (3, 2), "large": (7, 2)}[stem]
            net = getattr(nets, name)(
                spatial_dims=2,
                n_input_channels=3,
                conv1_t_size=kernel,
                conv1_t_stride=stride,
                no_max_pool=stem != "large",
                feed_forward=False,
                bias_downsample=False,  # a BatchNorm follows, which takes any bias away
            )
            stages = (net.layer1, net.layer2, net.layer3, net.layer4)
            parts = [net.conv1, net.bn1, net.act, *([net.maxpool] if stem == "large" else []), *stages]
            self.out_dim = 512 if name in BASIC else 2048
        elif name.startswith("densenet"):
            net = getattr(nets, f"DenseNet{name.removeprefix('densenet')}")(
                spatial_dims=2, in_channels=3, out_channels=1
            )
            parts = [net.features, net.class_layers.relu]
            self.out_dim = net.class_layers.out.in_features
        else:
            net = nets.EfficientNetBN(name, pretrained=False, spatial_dims=2, in_channels=3, num_classes=1)
            parts = [net._conv_stem_padding, net._conv_stem, net._bn0, net._swish, *net._blocks]
            parts += [net._conv_head_padding, net._conv_head, net._bn1, net._swish]
            self.out_dim = net._fc.in_features
        self.layers = nn.Sequential(*parts)

    def feature_map(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c a b"]:
        """The last stage before pooling."""
        found: Tensor = self.layers(enlarge(x, self.least))
        return found

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c"]:
        """Pooled features."""
        return self.feature_map(x).mean(dim=(2, 3))


def _monai_networks() -> ModuleType:
    try:
        from monai.networks import nets
    except ImportError as error:
        raise UserError(
            f"MONAI's networks need another package ({error}): pip install 'counterpoint[backbones]'"
        ) from error
    return nets
