"""What the suite raises: one class per exit code of the command, and the messages that both use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["LimitError", "OperationError", "UserError", "unknown_name"]


class UserError(ValueError):
    """The input is wrong and its owner can put it right; the command prints the message and exits with 2.

    The message names the file, row or flag, says what is allowed and what to do. It subclasses
    ``ValueError``, so library code may catch it without knowing this package.
    """


class LimitError(UserError):
    """Work was not begun because it would go beyond a limit that its owner set, or has to be allowed first.

    The message says what it would cost and how to go on; the command prints it and exits with 3.
    """


class OperationError(RuntimeError):
    """The input is fine but the work could not be done (disk full, folder not writable, download broken).

    The command prints the message and exits with 1.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the error for a name that is not known, with the nearest known names.

    Args:
        kind: what was looked up, in the singular, as it reads in the message (``"method"``).
        name: what the user wrote.
        known: every name that would have worked.

    Returns:
        The error, for the caller to raise.

    >>> str(unknown_name("loss", "infonce", ["info_nce", "dcl"]))
    "unknown loss 'infonce'; did you mean 'info_nce'? known: dcl, info_nce"
    """
    names = sorted(known)
    folded = {n.lower().replace("_", "").replace("-", ""): n for n in names}
    near = difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), folded, n=1, cutoff=0.6)
    hint = f"; did you mean {folded[near[0]]!r}?" if near else ";"
    return UserError(f"unknown {kind} {name!r}{hint} known: {', '.join(names) or 'none'}")
