"""Image networks of transformers: built from a configuration, or with the weights of a local folder."""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn

from core.checks import check_at_least
from core.errors import UserError
from domains.vision.models.enlarge import enlarge

__all__ = ["TRANSFORMERS_NAMES", "TransformersNetwork", "patch_for"]

TRANSFORMERS_NAMES = ("vit", "dinov2", "convnext", "convnextv2", "resnet")
"""Names after ``transformers:``."""
TOKENS = ("vit", "deit", "dinov2", "dinov2_with_registers", "dinov3_vit")
"""Kinds that answer with a class token and a token for each patch."""
MAPS = ("convnext", "convnextv2", "resnet", "regnet")
"""Kinds that answer with a map and its pooled row."""
PATCHES = 7
"""Patches along a side, at least, in a network that is built for the size."""


def patch_for(size: int) -> int:
    """Side of the patches of a vision transformer: at most 16 pixels, and at least 7 patches along a side.

    The largest that divides the image into 7 to 14 patches; the largest that is allowed where none does.

    Args:
        size: side of the images in pixels, >= 7.

    >>> [patch_for(size) for size in (8, 28, 32, 64, 96, 224)]
    [1, 4, 4, 8, 12, 16]
    """
    check_at_least("size", size, PATCHES)
    allowed = range(min(16, size // PATCHES), 0, -1)
    whole = [patch for patch in allowed if size % patch == 0 and size // patch <= 2 * PATCHES]
    return whole[0] if whole else allowed[0]


class TransformersNetwork(nn.Module):
    """An image network of transformers without its head.

    A row is the class token after the last norm where there is one, else the network's own pooling. Images that are not
    whole patches are enlarged to the next size that is, and learned positions are interpolated to other sizes.

    Built for a size:

    ==============  ==============================================  ==================================
    name            network                                         fitted to the size
    ==============  ==============================================  ==================================
    ``vit``         ViT-Ti: 192 wide, 12 layers, 3 heads;           patches: `patch_for`
                    Dosovitskiy et al. 2021, arXiv 2010.11929
    ``dinov2``      ViT-S: 384 wide, 12 layers, 6 heads, LayerScale patches: `patch_for`
                    from 1; Oquab et al. 2024, arXiv 2304.07193
    ``convnext``    ConvNeXt-T; Liu et al. 2022, arXiv 2201.03545   stem: a stride of 1 below 16 pixels,
                                                                    2 below 64, then the paper's 4
    ``convnextv2``  ConvNeXt V2-A; Woo et al. 2023,                 likewise
                    arXiv 2301.00808
    ``resnet``      ResNet-18; He et al. 2016, arXiv 1512.03385     nothing: a total stride of 32
    ==============  ==============================================  ==================================

    Folders may also hold DeiT, DINOv2 with registers, DINOv3 (ViT) and RegNet. Their weights expect images in the
    normalisation they were trained with; here images come in that of your training set.

    Args:
        network: the model.
        kind: its ``model_type``.

    Attributes:
        out_dim: width of the pooled rows.
    """

    def __init__(self, network: nn.Module, kind: str) -> None:
        super().__init__()
        self.network = network
        config: Any = network.config
        self.tokens = kind in TOKENS
        self.patch: int = config.patch_size if self.tokens else 1
        self.least = self.patch if self.tokens else (8 * config.patch_size if kind.startswith("convnext") else 1)
        self.out_dim: int = config.hidden_size if self.tokens else config.hidden_sizes[-1]
        takes = inspect.signature(network.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in takes else {}

    @classmethod
    def built(cls, name: str, size: int) -> "TransformersNetwork":
        """The network of that name with random weights.

        Args:
            name: one of `TRANSFORMERS_NAMES`.
            size: side of the images in pixels, >= 8.

        Raises:
            UserError: transformers is not installed.
        """
        package = _transformers()
        stem = 1 if size < 16 else 2 if size < 64 else 4
        if name in TOKENS:
            width = 192 if name == "vit" else 384
            grid: dict[str, int] = {
                "image_size": -(-size // patch_for(size)) * patch_for(size),
                "patch_size": patch_for(size),
                "hidden_size": width,
                "num_attention_heads": width // 64,
            }
            if name == "vit":
                config = package.ViTConfig(**grid, intermediate_size=4 * width)
                return cls(package.ViTModel(config, add_pooling_layer=False), name)
            return cls(package.Dinov2Model(package.Dinov2Config(**grid, use_mask_token=False)), name)
        if name == "convnext":
            return cls(package.ConvNextModel(package.ConvNextConfig(patch_size=stem)), name)
        if name == "convnextv2":
            config = package.ConvNextV2Config(patch_size=stem, depths=[2, 2, 6, 2], hidden_sizes=[40, 80, 160, 320])
            return cls(package.ConvNextV2Model(config), name)
        config = package.ResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512])
        return cls(package.ResNetModel(config), name)

    @classmethod
    def from_folder(cls, folder: str) -> "TransformersNetwork":
        """A network with the weights of a folder.

        Args:
            folder: holds ``config.json`` and safetensors. Pickles and code in it are never loaded.

        Raises:
            UserError: transformers is not installed; no such folder, no safetensors, damaged or missing weights, a
                kind of network that is not supported.
        """
        path = Path(folder).expanduser()
        if not (path / "config.json").is_file():
            what = "holds no config.json" if path.is_dir() else "is not a folder"
            raise UserError(
                f"backbone 'transformers:{folder}': {path} {what}; give a folder as transformers' save_pretrained "
                "writes it, at the place where it was when the model was trained"
            )
        if not any(path.glob("*.safetensors")):
            raise UserError(f"{path} holds no *.safetensors; other forms of weights may run code and are not loaded")
        package = _transformers()
        kind = _kind(package, path)
        # a pooling layer is often not among the weights, and a random one would replace the class token
        options = {"add_pooling_layer": False} if kind in ("vit", "deit") else {}
        shown = package.utils.logging.is_progress_bar_enabled()
        package.utils.logging.disable_progress_bar()
        try:
            network, report = package.AutoModel.from_pretrained(
                path, local_files_only=True, use_safetensors=True, output_loading_info=True, **options
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{path} cannot be loaded ({error}); fetch or save the network again") from error
        finally:
            if shown:
                package.utils.logging.enable_progress_bar()
        absent = sorted(report["missing_keys"])
        if absent:
            raise UserError(f"{path} lacks {len(absent)} weights, such as {absent[0]}; fetch or save the network again")
        return cls(network, kind)

    def feature_map(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c a b"]:
        """The last layer's patches, or the last stage before pooling."""
        return self._both(x)[1]

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c"]:
        """Pooled features."""
        return self._both(x)[0]

    def _both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = enlarge(x, self.least, self.patch)
        answer = self.network(pixel_values=x, **self.options)
        last: Tensor = answer.last_hidden_state
        if not self.tokens:
            return answer.pooler_output.flatten(1), last
        high, wide = (side // self.patch for side in x.shape[-2:])
        patches = last[:, -high * wide :]  # before them stand the class token and whatever else there is
        return last[:, 0], patches.transpose(1, 2).unflatten(2, (high, wide))


def _kind(package: ModuleType, path: Path) -> str:
    try:
        config = package.AutoConfig.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError(f"{path / 'config.json'} cannot be read ({error}); restore it") from error
    kind: str = config.model_type
    if kind not in (*TOKENS, *MAPS):
        raise UserError(f"{path} holds a network of the kind {kind!r}; known kinds: {', '.join((*TOKENS, *MAPS))}")
    return kind


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise UserError(
            f"this backbone needs another package ({error}): pip install 'counterpoint[backbones]'"
        ) from error
    return transformers
