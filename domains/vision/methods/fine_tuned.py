"""A start from an earlier model: its encoder, its normalisation, and a learning rate of its own."""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from core.checks import check_positive
from core.errors import UserError
from core.training.artifact import load_method
from domains.vision import METHODS
from domains.vision.methods.base import VisionMethod, VisionSettings

__all__ = ["F", "FineTuned", "FineTunedSettings"]

_BACKBONE = ("backbone", "width", "depth", "stem")
"""Settings that decide what the encoder is."""


@dataclass(frozen=True)
class FineTunedSettings(VisionSettings):
    """Settings of methods that may start from an earlier model.

    Attributes:
        pretrained: folder of a model or run of any vision method, whose encoder is the start; "" starts at random.
            Its means and deviations of the channels are taken with it, whatever the new images have.
        encoder_lr: factor on ``lr`` for the encoder, > 0; below 1 it changes more slowly than what stands on it.
    """

    pretrained: str = ""
    encoder_lr: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive("encoder_lr", self.encoder_lr, usual="0.1 to 1")


F = TypeVar("F", bound=FineTunedSettings)


class FineTuned(VisionMethod[F]):
    """Base of the methods that are trained end to end for an answer, from a random or from a pretrained encoder.

    The encoder learned on images normalised by its own means and deviations, so those are kept: the new images then
    come in as it knows them. A saved model holds all weights and does not look for ``pretrained`` again.

    Args:
        settings: of the method.
        start_taken: the weights come from elsewhere (a saved model), so ``pretrained`` is not read.
        **spec: see `VisionMethod`.

    Raises:
        UserError: ``pretrained`` is no vision model, or has another backbone.
    """

    def __init__(self, settings: F, *, start_taken: bool = False, **spec: Any) -> None:
        earlier = None
        if settings.pretrained and not start_taken:
            with torch.random.fork_rng(devices=[]):  # so that all else starts as it does without it
                earlier = _load(settings.pretrained)
            spec |= {name: earlier.input_spec[name] for name in ("mean", "std")}
        super().__init__(settings, **spec)
        self.input_spec["start_taken"] = True
        if earlier is not None:
            _check_same(earlier, self)
            self.encoder.load_state_dict(earlier.encoder.state_dict())

    def trained_parameters(self) -> list[dict[str, Any]]:
        """The encoder at ``encoder_lr`` times ``lr``, and all else."""
        inside = {id(p) for p in self.encoder.parameters()}
        rest = [p for p in self.parameters() if p.requires_grad and id(p) not in inside]
        encoder = [p for p in self.encoder.parameters() if p.requires_grad]
        return [{"params": encoder, "lr": self.settings.lr * self.settings.encoder_lr}, {"params": rest}]


def _load(folder: str) -> VisionMethod[Any]:
    try:
        earlier = load_method(folder, METHODS)
    except UserError as error:
        raise UserError(f"pretrained: {error}") from error
    assert isinstance(earlier, VisionMethod)
    return earlier


def _check_same(earlier: VisionMethod[Any], method: FineTuned[Any]) -> None:
    """Refuse another network; layers with other strides have weights of the same shapes, so both are compared."""
    nets = (earlier.encoder, method.encoder)
    shapes = [{name: weight.shape for name, weight in net.state_dict().items()} for net in nets]
    if repr(nets[0]) == repr(nets[1]) and shapes[0] == shapes[1]:
        return
    pairs = {name: (getattr(earlier.settings, name), getattr(method.settings, name)) for name in _BACKBONE}
    other = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not other and earlier.view_size != method.view_size:
        other = {"view_size": (earlier.view_size, method.view_size)}
    if not other:
        raise UserError(f"pretrained {method.settings.pretrained}: its encoder has other layers than this backbone now")
    shown = ", ".join(f"{name} {theirs}, here {own}" for name, (theirs, own) in other.items())
    flags = " ".join(f"--{name.replace('_', '-')} {theirs}" for name, (theirs, _) in other.items())
    raise UserError(f"pretrained {method.settings.pretrained}: its backbone is another one ({shown}); pass {flags}")
