"""Why a pair is judged as it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["PairExplanation"]


@dataclass(frozen=True, eq=False)
class PairExplanation:
    """What each attribute does to the judgement of one pair; see `IntegrabilityModel.explain` for its definition.

    Attributes:
        attributes: names of the a attributes that one of the rows has, in the order of the table.
        contribution: ``(a,)`` log odds that the attribute adds; above 0 speaks for the same thing. Attributes work
            together, so contributions do not add up to the logit.
        cosine: ``(a,)`` of the vectors of both values, NaN where one is missing.
        logit: log odds of the pair; 0 where no attribute is shared.
        support: number of attributes that both rows have.
    """

    attributes: tuple[str, ...]
    contribution: NDArray[np.float64]
    cosine: NDArray[np.float64]
    logit: float
    support: int

    @property
    def probability(self) -> float:
        """That both rows are the same thing; NaN, unknown, where no attribute is shared."""
        return float(expit(self.logit)) if self.support else float("nan")

    def sorted(self) -> list[tuple[str, float]]:
        """Attributes and contributions, what matters most first."""
        order = np.argsort(-np.abs(self.contribution), kind="stable")
        return [(self.attributes[place], float(self.contribution[place])) for place in order]
