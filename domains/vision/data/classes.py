"""Class codes 0..C-1 and their names, from whatever stands beside the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from core.errors import UserError

__all__ = ["class_codes"]


def class_codes(
    labels: Sequence[np.ndarray | None],
    class_names: Sequence[tuple[str, ...]],
    lengths: Sequence[int],
    where: Sequence[str],
) -> tuple[Tensor | None, tuple[str, ...]]:
    """One coding of the classes for all parts of a set.

    Integers with class names are positions among them. Without names, the values that occur are the classes in their
    order and their digits are the names. -1 means unknown, unless -1 and 1 are the only values. Strings are classes in
    alphabetical order; an empty one means unknown.

    Args:
        labels: integers or strings of each part; None for a part without.
        class_names: names as stored with each part; empty without.
        lengths: images of each part.
        where: name of each part, for messages.

    Returns:
        ``(n,)`` int64 codes over all parts, -1 where unknown, and the names; None and no names without any labels.

    Raises:
        UserError: parts that name their classes differently, integers beside strings, or an integer without a name.
    """
    given = {names for names, values in zip(class_names, labels, strict=True) if names and values is not None}
    if len(given) > 1:
        raise UserError(f"the parts name their classes differently: {' / '.join(', '.join(n) for n in sorted(given))}")
    known = [values for values in labels if values is not None]
    if not known:
        return None, ()
    kinds = {"string" if values.dtype.kind in "US" else "integer" for values in known}
    if len(kinds) > 1 or not all(values.dtype.kind in "USiub" for values in known):
        raise UserError(f"{where[0]}: labels must be integers or strings in every part")
    if kinds == {"string"}:
        return _from_strings([None if v is None else v.astype(str) for v in labels], lengths, next(iter(given), ()))
    codes = torch.cat(
        [
            torch.full((length,), -1) if values is None else torch.from_numpy(values.astype(np.int64))
            for values, length in zip(labels, lengths, strict=True)
        ]
    )
    if given:
        names = next(iter(given))
        wrong = codes[(codes < -1) | (codes >= len(names))]
        if len(wrong):
            raise UserError(f"{where[0]}: label {int(wrong[0])} has no name: class_names has {len(names)}")
        return codes, names
    values = codes.unique()
    if values.tolist() != [-1, 1]:
        if len(values) and int(values[0]) < -1:
            raise UserError(f"{where[0]}: label {int(values[0])}: classes are >= 0, and -1 means unknown")
        values = values[values >= 0]
    names = tuple(str(value) for value in values.tolist())
    found = torch.searchsorted(values, codes)
    there = (found < len(values)) & (values[found.clamp_max(len(values) - 1)] == codes) if len(values) else found < 0
    return torch.where(there, found, -1), names


def _from_strings(
    labels: Sequence[np.ndarray | None], lengths: Sequence[int], names: tuple[str, ...]
) -> tuple[Tensor, tuple[str, ...]]:
    words = [
        word
        for values, length in zip(labels, lengths, strict=True)
        for word in ([""] * length if values is None else values.tolist())
    ]
    occurring = sorted(set(words) - {""})
    names = names or tuple(occurring)
    code = {name: position for position, name in enumerate(names)}
    missing = [word for word in occurring if word not in code]
    if missing:
        raise UserError(f"label {missing[0]!r} is not among class_names {', '.join(names)}")
    return torch.tensor([code.get(word, -1) for word in words]), names
