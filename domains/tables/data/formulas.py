"""Cells that a spreadsheet program would run as formulas, made harmless."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import compute

from domains.tables.data.columns_of_text import Column

__all__ = ["guard_formulas", "is_formula"]

# white space and signs that look like these in other scripts are skipped or taken alike by some programs
_FORMULA = r"^\s*[=+\-@\t\r\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]"
_NUMBER = r"^[+-]?(\d+([.,]\d+)*|[.,]\d+)([eE][+-]?\d+)?$"


def is_formula(text: Column) -> Column:
    """Which cells a spreadsheet program could take for a formula.

    Those that begin with ``=``, ``+``, ``-`` or ``@``, also after white space or in full width, or with a tab or
    carriage return; plain numbers (-5, +1.5e3, -1,234.50) are none.

    Args:
        text: of type ``string`` or ``large_string``.

    Returns:
        Booleans; missing cells are no formulas.

    >>> is_formula(pa.array(["=1+1", "-5", "+1.5e3", "-2+3", "@a", None, "a=1"])).to_pylist()
    [True, False, False, True, True, False, False]
    """
    begins = compute.match_substring_regex(text, _FORMULA)
    number = compute.match_substring_regex(text, _NUMBER)
    return compute.fill_null(compute.and_not(begins, number), False)


def guard_formulas(text: Column) -> tuple[Column, int]:
    """Put an apostrophe before every formula.

    Args:
        text: see `is_formula`.

    Returns:
        The cells, and how many were changed.
    """
    formula = is_formula(text)
    count = compute.sum(formula).as_py() or 0
    if not count:
        return text, 0
    empty = pa.scalar("", text.type)
    guarded = compute.binary_join_element_wise(pa.scalar("'", text.type), text, empty)
    return compute.if_else(formula, guarded, text), count
