"""Input-label contrast by a scorer: for each pair of input and label the answer is yes or no."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.checks import check_embeddings
from core.losses.label_sets import Targets, label_indices
from core.losses.normalisation import full_precision
from core.losses.pair_terms import softplus
from core.losses.reduction import Reduction, check_reduction, reduce

__all__ = ["LabelMatchingLoss", "label_matching"]


def label_matching(
    logits: Float[Tensor, "n c"], targets: Targets, *, reduction: Reduction = "mean"
) -> Float[Tensor, "..."]:
    """Binary NCE over the labels of each input, scored by a network that sees both.

    Rethmeier and Augenstein 2020, arXiv 2010.01061; g_il is the logit of input i with label l, P(i) its labels::

        L_i = sum_{l in P} softplus(-g_il) + sum_{l not in P} softplus(g_il)

    For pseudo labels P are words of the text and the others are drawn words that are not in it.

    Args:
        logits: scores of each input with its c candidate labels, all labels or drawn ones.
        targets: ``(n,)`` one label each, ``(n, p)`` indices padded with -1, or a boolean mask ``(n, c)``. An input
            without a label counts: all its candidates are negatives.
        reduction: "mean" or "sum" over inputs, or "none".

    Shape:
        Output is a scalar, or ``(n,)`` with ``reduction="none"``: sums over labels.

    Returns:
        The loss, >= 0, in float32 or better; c log 2 at logits of 0.

    Raises:
        TypeError: integer logits, targets that are neither int64 nor boolean.
        ValueError: shapes, no inputs, indices out of range.

    Relations:
        The sum of `core.losses.binary_nce` with the logits of true labels as positive scores and the others as negative
        ones; that one also corrects for how labels were drawn.

    >>> import torch
    >>> round(float(label_matching(torch.tensor([[1.0, -0.5, 0.2]]), torch.tensor([0]))), 6)
    1.585478
    """
    check_reduction(reduction)
    check_embeddings("logits", logits)
    count, labels = logits.shape
    own = label_indices(targets, count, labels)
    spare = torch.zeros(count, labels + 1, dtype=torch.bool, device=logits.device)  # the last column stands for "none"
    hot = spare.scatter(1, torch.where(own < 0, labels, own), True)[:, :labels]
    scores = full_precision(logits)
    return reduce(softplus(torch.where(hot, -scores, scores)).sum(dim=1), reduction)


class LabelMatchingLoss(nn.Module):
    """`label_matching` with its reduction."""

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.reduction: Reduction = reduction

    def extra_repr(self) -> str:
        """Every setting by name."""
        return f"reduction={self.reduction!r}"

    def forward(self, logits: Float[Tensor, "n c"], targets: Targets) -> Float[Tensor, "..."]:
        """The loss of one batch; arguments as in `label_matching`."""
        return label_matching(logits, targets, reduction=self.reduction)
