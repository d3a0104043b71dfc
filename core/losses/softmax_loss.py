"""The settings that every loss with a softmax over candidates shares."""

from torch import nn

from core.checks import check_temperature
from core.losses.reduction import Reduction, check_reduction

__all__ = ["SoftmaxLoss"]


class SoftmaxLoss(nn.Module):
    """Base of the modules: checks and holds temperature, reduction and normalisation, and shows them in ``repr``.

    Args:
        temperature: > 0.
        reduction: "mean", "sum" or "none".
        normalize: cosine if true, dot product if not.

    Raises:
        ValueError: a temperature that is not positive, an unknown reduction.
    """

    def __init__(self, *, temperature: float, reduction: Reduction, normalize: bool) -> None:
        super().__init__()
        check_temperature(temperature)
        check_reduction(reduction)
        self.temperature = temperature
        self.reduction: Reduction = reduction
        self.normalize = normalize

    def extra_repr(self) -> str:
        """Every setting by name."""
        settings = {
            name: value for name, value in vars(self).items() if not name.startswith("_") and name != "training"
        }
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())
