"""Why two rows are, or are not, one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import UserError, unknown_name
from domains.tables.data.table import Table
from domains.tables.matching.likelihood_matcher import LikelihoodMatcher
from domains.tables.project.folder import Project
from domains.tables.project.freshness import require
from domains.tables.project.pair_evidence import AttributeEvidence, attribute_evidence, similarity_vector, unlikeness
from domains.tables.project.row_refs import RowIndex
from domains.tables.project.steps.resolve import current_labels
from domains.tables.project.stored import load_graph, load_index, load_table
from domains.tables.sets.graph import PairGraph

__all__ = ["Explanation", "explain", "find_row"]

COMPARED = 500
"""Pairs with the other outcome, nearest in probability, among which the counter-example is looked for."""
_MOST_DIGITS = 18
"""Of a row number: what 64 bits hold."""


@dataclass(frozen=True)
class Explanation:
    """What is known of a pair.

    Attributes:
        rows: both rows as ``source:row``.
        probability: that both are the same thing; None where the pair was not compared.
        threshold: of the sets.
        together: whether both are in one set.
        said: what a person said of the two: "yes", "no", "unsure" or None.
        attributes: values and similarity of each attribute.
        counter_example: the pair most like this one that came out the other way, as ``source:row``, or None.
        sentence: all of it in words.
    """

    rows: tuple[str, str]
    probability: float | None
    threshold: float
    together: bool
    said: str | None
    attributes: tuple[AttributeEvidence, ...]
    counter_example: tuple[str, str] | None
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def find_row(index: RowIndex, word: str) -> int:
    """Position of a row that a person names: ``source:row`` (from 0), or its number in the union.

    Args:
        index: of the rows.
        word: the name.

    Raises:
        UserError: there is no such row.

    >>> index = RowIndex(np.array(["a", "b"], dtype=object), np.array([0, 0]), np.array(["", ""], dtype=object))
    >>> find_row(index, "b:0"), find_row(index, "1")
    (1, 1)
    """
    source, colon, number = word.rpartition(":")
    # other digits, such as those of powers, are no numbers to `int`, and so are very many
    if not number.isdecimal() or len(number) > _MOST_DIGITS:
        raise UserError(f"{word!r} names no row; write SOURCE:ROW, with rows from 0, or the number that the page shows")
    if not colon:
        if int(number) >= len(index):
            raise UserError(f"there is no row {number}; rows are numbered 0 to {len(index) - 1}")
        return int(number)
    mine = np.flatnonzero(index.source == source)
    if not len(mine):
        raise unknown_name("source", source, set(index.source.tolist()))
    found = mine[index.row[mine] == int(number)]
    if not len(found):
        raise UserError(f"{source} has no row {number}; its rows are numbered 0 to {int(index.row[mine].max())}")
    return int(found[0])


def explain(project: Project, a: str, b: str) -> Explanation:
    """Everything that is known of two rows.

    Args:
        project: after `cluster`.
        a: one row, see `find_row`.
        b: the other.

    Raises:
        UserError: no such row, or an earlier step has to be run first.
    """
    require(project, "resolve")
    table, index, graph = load_table(project), load_index(project), load_graph(project)
    one, two = find_row(index, a), find_row(index, b)
    if one == two:
        raise UserError(f"{a} and {b} are the same row; name two")
    labels, decided, _ = current_labels(project, index)
    left, right = min(one, two), max(one, two)
    at = np.flatnonzero((graph.left == left) & (graph.right == right))
    probability = float(graph.weight[at[0]]) if len(at) else None
    together = bool(labels[one] == labels[two])
    threshold = float(project.finished("cluster").facts["threshold"])
    odds = LikelihoodMatcher.load(project.file("match", "matcher.json")).explain(table).of(one, two)
    attributes = tuple(attribute_evidence(table, one, two, odds))
    counter = _counter_example(table, graph, labels, one, two)
    said = decided.answered.get((left, right))
    return Explanation(
        (_name(index, one), _name(index, two)),
        probability,
        threshold,
        together,
        said,
        attributes,
        None if counter is None else (_name(index, counter[0]), _name(index, counter[1])),
        _sentence(attributes, probability, threshold, together, said),
    )


def _name(index: RowIndex, position: int) -> str:
    return f"{index.source[position]}:{index.row[position]}"


def _counter_example(
    table: Table, graph: PairGraph, labels: NDArray[np.int64], one: int, two: int
) -> tuple[int, int] | None:
    """The pair whose attributes agree most like those of this pair, and whose rows are together if these are not."""
    together = labels[graph.left] == labels[graph.right]
    pairs = np.flatnonzero(together != (labels[one] == labels[two]))
    if not len(pairs):
        return None
    own_pair = (graph.left == min(one, two)) & (graph.right == max(one, two))
    level = float(graph.weight[own_pair].max(initial=0.0))
    near = pairs[np.argsort(np.abs(graph.weight[pairs] - level), kind="stable")[:COMPARED]]
    own = similarity_vector(table, one, two)
    ends = list(zip(graph.left[near].tolist(), graph.right[near].tolist(), strict=True))
    return min(ends, key=lambda pair: unlikeness(own, similarity_vector(table, *pair)))


def _sentence(
    attributes: tuple[AttributeEvidence, ...],
    probability: float | None,
    threshold: float,
    together: bool,
    said: str | None,
) -> str:
    known = [one for one in attributes if one.similarity is not None]
    parts = []
    for words in ("the same", "nearly the same", "alike", "little alike", "unlike"):
        names = [one.name for one in known if one.words == words]
        if names:
            parts.append(f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} {words}")
    evidence = "; ".join(parts) or "no attribute is known in both rows"
    if probability is None:
        sure = "The pair has no probability: blocking did not propose it, or it came out below 0.01"
    else:
        side = "at or above" if probability >= threshold else "below"
        sure = f"The probability is {_told_apart(probability, threshold)}, {side} the threshold of {threshold:.2f}"
    end = "they are in one set" if together else "they are in different sets"
    told = f" A person said {said}." if said else ""
    return f"Evidence: {evidence}. {sure}; {end}.{told}"


def _told_apart(probability: float, threshold: float) -> str:
    """The probability with two digits, or as many as it takes to see on which side of the threshold it is.

    >>> _told_apart(0.4967, 0.5), _told_apart(0.7, 0.5), _told_apart(0.5, 0.5)
    ('0.497', '0.70', '0.50')
    """
    digits = 2
    while round(probability, digits) == round(threshold, digits) and probability != threshold and digits < 6:
        digits += 1
    return f"{probability:.{digits}f}"
