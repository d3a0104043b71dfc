"""What SlimFast knows of a fact: who claims it, and how usual the form of its value is."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from domains.tables.conflicts.truth.claims import ClaimGraph

__all__ = ["design", "log_form_share"]

_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")


def log_form_share(claims: ClaimGraph) -> NDArray[np.float64]:
    """``(f,)`` log of the share of claims of the same attribute whose value has the same form.

    The form of a text is the text with every run of digits and every run of letters replaced: "9:40 a.m." and
    "7:15 p.m." have one, "9:40aDec 1" has another. A remark beside a value shows as an unusual form.
    """
    form = [_LETTERS.sub("a", _DIGITS.sub("9", str(text).strip())) for text in claims.text]
    code, forms = pd.factorize(np.array(form, dtype=object))
    cell = claims.attribute[claims.item] * max(len(forms), 1) + code
    count = np.bincount(cell, claims.votes)
    total = np.bincount(claims.attribute[claims.item], claims.votes)
    share: NDArray[np.float64] = count[cell] / total[claims.attribute[claims.item]]
    return np.log(share)


def design(claims: ClaimGraph, weight: NDArray[np.float64], *, form: bool) -> csr_array:
    """``(f, 2 + s + s a)`` features of facts.

    Columns: the votes; the log share of the form, or 0; for each source its vote; for each source and attribute its
    vote. So a source has a weight that all of its attributes share and one that is each attribute's own.

    Args:
        claims: k claims.
        weight: ``(k,)`` of each claim.
        form: whether the form of the value counts.
    """
    facts, sources, attributes = len(claims.item), len(claims.sources), len(claims.attributes)
    votes = np.bincount(claims.fact, weight, facts)
    shape = log_form_share(claims) if form else np.zeros(facts)
    cell = claims.source * attributes + claims.attribute[claims.item[claims.fact]]
    by_source = csr_array((weight, (claims.fact, claims.source)), shape=(facts, sources))
    by_cell = csr_array((weight, (claims.fact, cell)), shape=(facts, sources * attributes))
    return csr_array(hstack([csr_array(np.column_stack([votes, shape])), by_source, by_cell]))
