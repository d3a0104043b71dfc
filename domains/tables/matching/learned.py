"""What the matcher has learned of a table, as it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domains.tables.matching.calibrate import shifted
from domains.tables.matching.dependence import Link
from domains.tables.matching.likelihood import Likelihood

__all__ = ["Learned"]


@dataclass(frozen=True, eq=False)
class Learned:
    """Odds of each level of agreement, and how attributes were weighed anew.

    Attributes:
        names: of the m attributes.
        likelihood: of their levels.
        shift: ``(m + 1,)`` what is added to the weight 1 of each attribute, then to the log odds.
    """

    names: tuple[str, ...]
    likelihood: Likelihood
    shift: NDArray[np.float64]

    def log_odds(self, odds: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(p,)`` log odds of a match.

        Args:
            odds: ``(p,)`` before attributes are weighed anew.
            found: ``(p, m)`` what each attribute adds to them.
        """
        return shifted(odds, found, self.shift)

    def to_json(self) -> dict[str, Any]:
        """As plain data; floats keep all their digits."""
        known = self.likelihood
        return {
            "names": list(self.names),
            "weight": known.weight.tolist(),
            "prior": known.prior.tolist(),
            "share": known.share.tolist(),
            "links": [[link.one, link.other, link.excess] for link in known.links],
            "shift": self.shift.tolist(),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Learned:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: a part is missing, is no number, or does not fit the others.
        """
        names = tuple(str(name) for name in content["names"])
        weight, prior, share, shift = (
            np.array(content[key], dtype=np.float64) for key in ("weight", "prior", "share", "shift")
        )
        if not len(weight) == len(share) == len(names) == len(shift) - 1:
            raise ValueError(f"{len(names)} attributes do not fit the weights")
        links = tuple(Link(int(one), int(other), float(excess)) for one, other, excess in content["links"])
        return cls(names, Likelihood(weight, prior, share, links), shift)
