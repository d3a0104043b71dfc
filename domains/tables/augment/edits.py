"""Single typing errors. Each takes a text and two draws in [0, 1), and gives the changed text or None if it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domains.tables.augment.keyboard import LOOK_ALIKE, NEARBY, matching_case

__all__ = ["NUMBER_EDITS", "TEXT_EDITS", "Edit"]

Edit = Callable[[str, float, float], str | None]

_Fits = Callable[[str, int], bool]


def _place(text: str, draw: float, fits: _Fits, start: int = 0) -> int | None:
    """The first place that fits, from a random one onwards and round."""
    length = len(text) - start
    first = int(draw * length)
    return next((p for i in range(length) if fits(text, p := start + (first + i) % length)), None)


def _ink(text: str, p: int) -> bool:
    return not text[p].isspace()


def _digit(text: str, p: int) -> bool:
    return text[p].isdecimal()


def _swap(fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        def two(t: str, p: int) -> bool:
            return t[p - 1] != t[p] and fits(t, p - 1) and fits(t, p)

        p = _place(text, where, two, 1)
        return None if p is None else text[: p - 1] + text[p] + text[p - 1] + text[p + 1 :]

    return edit


def _missing(fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        p = _place(text, where, fits)
        if p is None or _place(text, 0.0, lambda t, q: q != p and fits(t, q)) is None:  # never the last one
            return None
        return text[:p] + text[p + 1 :]

    return edit


def _other(text: str, p: int, near: Mapping[str, str], which: float) -> str:
    options = near[text[p].lower()]
    return matching_case(options[int(which * len(options))], text[p])


def _known(near: Mapping[str, str], fits: _Fits) -> _Fits:
    return lambda text, p: fits(text, p) and text[p].lower() in near


def _extra(fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        p = _place(text, where, _known(NEARBY, fits))
        return None if p is None else text[: p + 1] + _other(text, p, NEARBY, which) + text[p + 1 :]

    return edit


def _replaced(near: Mapping[str, str], fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        p = _place(text, where, _known(near, fits))
        return None if p is None else text[:p] + _other(text, p, near, which) + text[p + 1 :]

    return edit


def _repeated(fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        p = _place(text, where, fits)
        return None if p is None else text[:p] + text[p] + text[p:]

    return edit


def _collapse(fits: _Fits) -> Edit:
    def edit(text: str, where: float, which: float) -> str | None:
        p = _place(text, where, lambda t, q: t[q - 1] == t[q] and fits(t, q), 1)
        return None if p is None else text[:p] + text[p + 1 :]

    return edit


def _skipped_space(text: str, where: float, which: float) -> str | None:
    p = _place(text, where, lambda t, q: t[q].isspace())
    return None if p is None or not text.strip() else text[:p] + text[p + 1 :]


def _random_space(text: str, where: float, which: float) -> str | None:
    p = _place(text, where, lambda t, q: _ink(t, q - 1) and _ink(t, q), 1)
    return None if p is None else text[:p] + " " + text[p:]


def _both(fits: _Fits) -> dict[str, Edit]:
    return {
        "swap": _swap(fits),
        "missing": _missing(fits),
        "extra": _extra(fits),
        "nearby": _replaced(NEARBY, fits),
        "similar": _replaced(LOOK_ALIKE, fits),
        "repeated": _repeated(fits),
        "collapse": _collapse(fits),
    }


TEXT_EDITS: dict[str, Edit] = _both(_ink) | {"skipped_space": _skipped_space, "random_space": _random_space}
"""By name; digits are replaced by digits only."""

NUMBER_EDITS: dict[str, Edit] = _both(_digit)
"""By name; only digits are touched and only digits come in."""
