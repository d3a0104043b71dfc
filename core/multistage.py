"""The encoders of several stages as one."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_at_least, check_choice, check_embeddings
from core.losses.normalisation import full_precision, unit_rows

__all__ = ["MultistageEncoder"]

Integration = Literal["concat", "concat_raw"]


class MultistageEncoder(nn.Module):
    """Embeddings of T encoders, joined to one vector.

    Zhang et al. 2024 (MCL), arXiv 2402.11816, cross-stage integration::

        "concat"       z = [u_1, ..., u_T] / sqrt(T)     with u_t = f_t(x) / |f_t(x)|
        "concat_raw"   z = [f_1(x), ..., f_T(x)] / |[f_1(x), ..., f_T(x)]|

    The released notebook does the latter, in which a stage with long rows outweighs the others. With "concat" the
    product of two joined vectors is the mean of the cosines of all stages. For two modalities join each one's encoders.

    Args:
        encoders: at least one, each giving ``(n, d_t)``; registered as submodules, in this order.
        integration: how they are joined.

    Raises:
        ValueError: no encoder, another word, or, in ``forward``, encoders that give different numbers of rows.
        TypeError: an encoder that gives no floating tensor.

    >>> joined = MultistageEncoder([nn.Identity(), nn.Flatten()])
    >>> joined(torch.tensor([[3.0, 4.0]])).mul(2**0.5).tolist()
    [[0.6000000238418579, 0.800000011920929, 0.6000000238418579, 0.800000011920929]]
    """

    def __init__(self, encoders: Sequence[nn.Module], integration: Integration = "concat") -> None:
        super().__init__()
        check_at_least("the number of encoders", len(encoders), 1)
        check_choice("integration", integration, get_args(Integration))
        self.encoders = nn.ModuleList(encoders)
        self.integration: Integration = integration

    def forward(self, *inputs: Any) -> Float[Tensor, "n d"]:
        """Joined unit rows, ``(n, d_1 + ... + d_T)``, in float32 or better.

        Args:
            *inputs: passed on to every encoder.
        """
        parts = [encoder(*inputs) for encoder in self.encoders]
        for stage, part in enumerate(parts):
            check_embeddings(f"the output of encoder {stage}", part)
        if len({len(part) for part in parts}) > 1:
            raise ValueError(f"encoders must give equally many rows, got {[len(part) for part in parts]}")
        if self.integration == "concat":
            return torch.cat([unit_rows(part) for part in parts], dim=1) / math.sqrt(len(parts))
        return unit_rows(torch.cat([full_precision(part) for part in parts], dim=1))
