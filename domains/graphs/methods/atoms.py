"""GraphMAE on molecules: atoms are categories, so a mask is a category of its own and the target a one-hot vector."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import one_hot

from core.checks import check_rate
from core.losses import scaled_cosine_error

__all__ = ["ATOM_TYPES", "MASKED_ATOM", "atom_error", "draw_atoms", "mask_atoms"]

ATOM_TYPES = 119
"""Atom types 0 .. 118 as the chemistry benchmarks number them."""

MASKED_ATOM = 119
"""Type of a hidden atom; an embedding table of atom types needs ``ATOM_TYPES + 1`` rows."""


def draw_atoms(batch: Int64[Tensor, " n"], rate: float = 0.25, *, generator: torch.Generator) -> Int64[Tensor, " m"]:
    """Draw floor(rate n_g + 1) atoms of each molecule g, uniformly without replacement.

    Hou et al. 2022, arXiv 2205.10803, section 4.3, as the released code counts; other sets of graphs draw over the
    whole batch (`core.masking.NodeFeatureMasker`), molecules one by one, so that each has a hidden atom.

    Args:
        batch: molecule of each atom, ascending from 0.
        rate: share of hidden atoms, in [0, 1).
        generator: of the draw.

    Returns:
        Positions of the hidden atoms, molecule by molecule.

    Raises:
        ValueError: rate out of range, or ``batch`` not ascending.

    >>> draw_atoms(torch.tensor([0, 0, 0, 0, 1]), 0.25, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([3])
    """
    check_rate("rate", rate)
    if bool((batch.diff() < 0).any()):
        raise ValueError("batch must be ascending: the atoms of a molecule stand together")
    size = torch.bincount(batch)
    key = torch.rand(len(batch), generator=generator, dtype=torch.float64)
    order = torch.argsort(batch + key)  # molecule by molecule, at random within
    place = torch.arange(len(batch)) - (torch.cumsum(size, 0) - size)[batch]
    count = (rate * size.double() + 1).floor().long()
    return order[place < count[batch]]


def mask_atoms(atoms: Int64[Tensor, "n 2"], index: Int64[Tensor, " m"]) -> Int64[Tensor, "n 2"]:
    """A copy of (type, chirality) rows in which the atoms at ``index`` have type `MASKED_ATOM` and chirality 0."""
    hidden = torch.tensor([[MASKED_ATOM, 0]]).expand(len(index), 2)
    return atoms.index_copy(0, index, hidden)


def atom_error(
    prediction: Float[Tensor, "m 119"], types: Int64[Tensor, " m"], *, gamma: float = 1.0
) -> Float[Tensor, ""]:
    """Scaled cosine error of predicted atom types against the true ones as one-hot vectors; gamma 1 in the paper.

    Args:
        prediction: decoder output of the hidden atoms.
        types: their true types, 0 .. 118.
        gamma: power of the error, >= 1.

    Raises:
        ValueError: a type out of range, or no hidden atom.

    >>> round(float(atom_error(torch.ones(1, 119), torch.tensor([5]))), 4)  # 1 - 1/sqrt(119)
    0.9083
    """
    if bool(((types < 0) | (types >= ATOM_TYPES)).any()):
        raise ValueError(f"atom types must be 0 .. {ATOM_TYPES - 1}; hidden atoms are given with their true type")
    return scaled_cosine_error(prediction, one_hot(types, ATOM_TYPES).to(prediction.dtype), gamma=gamma)
