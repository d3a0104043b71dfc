"""The sentence that asks for a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["CONTENT_FREE", "demonstration", "prompt_of", "query"]

CONTENT_FREE = "N/A"
"""Stands for every value when a model is asked what it prefers without knowing anything."""


def query(known: Sequence[tuple[str, str]], attribute: str) -> str:
    """A sentence without its end, which is the value.

    Args:
        known: attributes and their values; may be empty.
        attribute: what is asked for.

    >>> query([("city", "Ulm")], "state")
    'For a tuple, if the value of attribute city is Ulm, then the value of the attribute state should be'
    """
    if not known:
        return f"For a tuple, the value of the attribute {attribute} should be"
    first, *rest = (f"{name} is {_flat(value)}" for name, value in known)
    conditions = ", ".join([f"the value of attribute {first}", *(f"the attribute {one}" for one in rest)])
    return f"For a tuple, if {conditions}, then the value of the attribute {attribute} should be"


def demonstration(known: Sequence[tuple[str, str]], attribute: str, value: str) -> str:
    """The whole sentence."""
    return f"{query(known, attribute)} {_flat(value)}."


def prompt_of(demonstrations: Iterable[str], question: str) -> str:
    """Demonstrations, one a line, and the question."""
    return "\n".join([*demonstrations, question])


def _flat(value: str) -> str:
    """A value on one line, so that a line stays a demonstration."""
    return " ".join(value.split())
