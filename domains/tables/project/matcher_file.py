"""A trained matcher on disk, and what it says of single pairs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute
from domains.tables.matching.dependence import Link
from domains.tables.matching.likelihood import Likelihood
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher, MatchSettings

__all__ = ["PairOdds", "load_matcher", "save_matcher"]


def save_matcher(folder: Path, matcher: LikelihoodMatcher) -> None:
    """Write a matcher as JSON: its settings, attributes, learned odds and weights.

    Args:
        folder: of the step.
        matcher: after `fit`.
    """
    content = {
        "settings": asdict(matcher.settings),
        "names": matcher.names,
        "weight": matcher._likelihood.weight.tolist(),
        "prior": matcher._likelihood.prior.tolist(),
        "share": matcher._likelihood.share.tolist(),
        "links": [[link.one, link.other, link.excess] for link in matcher._likelihood.links],
        "shift": matcher._shift.tolist(),
    }
    (folder / "matcher.json").write_text(json.dumps(content), "utf-8")


def load_matcher(path: Path) -> LikelihoodMatcher:
    """Read a matcher.

    Args:
        path: of ``matcher.json``.

    Raises:
        UserError: the file is damaged or missing.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        matcher = LikelihoodMatcher(MatchSettings(**content["settings"]))
        matcher.names = [str(name) for name in content["names"]]
        weight, prior, own = (np.array(content[key], dtype=np.float64) for key in ("weight", "prior", "share"))
        links = tuple(Link(int(one), int(other), float(excess)) for one, other, excess in content["links"])
        matcher._likelihood = Likelihood(weight, prior, own, links)
        matcher._shift = np.array(content["shift"], dtype=np.float64)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} cannot be read ({error}); run match again") from error
    return matcher


class PairOdds:
    """How much each attribute of a pair speaks for or against a match.

    Args:
        matcher: after `fit`.
        table: the rows; how rare their values are is counted once, here.
    """

    def __init__(self, matcher: LikelihoodMatcher, table: Table) -> None:
        self._matcher, self._count = matcher, len(table)
        self._source = np.unique(table.source.astype(str), return_inverse=True)[1].reshape(-1).astype(np.int64)
        self._attributes = [Attribute.of(name, table.frame[name]) for name in matcher.names if name in table.frame]

    def of(self, a: int, b: int) -> dict[str, float]:
        """Natural logarithm of the odds that each attribute adds, and under "" what is there before any is compared.

        Their sum is the logarithm of the odds of a match.

        Args:
            a: one row.
            b: the other.
        """
        pair = Candidates.of(self._count, np.array([a]), np.array([b]))
        odds, found = self._matcher._odds(self._source, self._attributes, pair)
        shift = self._matcher._shift
        parts: NDArray[np.float64] = found[0] * (1 + shift[:-1])
        start = float(odds[0] - found[0].sum() + shift[-1])
        return {"": start, **{one.name: float(part) for one, part in zip(self._attributes, parts, strict=True)}}
