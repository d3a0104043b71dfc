"""jsonargparse with our manners: dashes or underscores, near names on a miss, one message instead of a usage dump."""

import re
from argparse import Action, ArgumentError
from collections.abc import Sequence
from types import NoneType
from typing import Any, Literal, NoReturn, get_args, get_origin

from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from core.errors import UserError, unknown_name

__all__ = ["CommandParser", "shown_type"]


class _Help(DefaultHelpFormatter):
    """One line per flag where it fits, and only what our own texts say: no machine-made types and defaults."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "max_help_position": 36, "width": 120})  # type: ignore[no-untyped-call]

    def _get_help_string(self, action: Action) -> str:
        return (action.help or "").replace("``", "")


def shown_type(hint: Any) -> str:
    """How a value of this type is named in the help: ``FLOAT``, ``{a,b}``.

    >>> shown_type(Literal["a", "b"] | None), shown_type(float | None)
    ('{a,b}', 'FLOAT')
    """
    if get_origin(hint) is Literal:
        return "{" + ",".join(str(value) for value in get_args(hint)) + "}"
    inner = [part for part in get_args(hint) if part is not NoneType]
    if len(inner) == 1:
        return shown_type(inner[0])
    if hint is bool:
        return "{true,false}"
    return "WORD" if hint is str else getattr(hint, "__name__", "VALUE").upper()


class CommandParser(ArgumentParser):
    """A parser that raises `core.errors.UserError` and knows the nearest flag.

    Args:
        prog: the command as typed, ``"counterpoint graphs train graphmae"``.
        description: one paragraph.
        example: a command line that works, shown at the end of the help.
    """

    def __init__(self, prog: str, description: str, example: str = "") -> None:
        super().__init__(
            prog=prog,
            usage=f"{prog} [options]",
            description=description,
            epilog=f"example: {example}" if example else None,
            exit_on_error=False,
            default_env=False,
            formatter_class=_Help,
        )

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turn argparse's complaint into our own."""
        listed, colon, names = message.rpartition("arguments are required: ")
        if colon:
            flags = self._flags()
            names = ", ".join(f"--{name}" if f"--{name}" in flags else name for name in names.split(", "))
        raise UserError(_tidy(listed + colon + names)) from ex

    def read(self, words: Sequence[str]) -> Namespace:
        """Parse; ``--weight-decay`` and ``--weight_decay`` are the same flag.

        Raises:
            UserError: unknown flag, missing or bad value.
        """
        known = {flag.replace("_", "-"): flag for flag in self._flags()}
        tidy = []
        for word in words:
            name, equals, value = word.partition("=")
            if name.startswith("--"):
                if name.replace("_", "-") not in known:
                    raise unknown_name("flag", name, known)
                name = known[name.replace("_", "-")]
            tidy.append(name + equals + value)
        try:
            return self.parse_args(tidy)
        except UserError:
            raise
        except (TypeError, ValueError, KeyError, ArgumentError) as error:
            raise UserError(_tidy(str(error))) from error

    def _flags(self) -> list[str]:
        return [flag for action in self._actions for flag in action.option_strings if flag.startswith("--")]


def _tidy(message: str) -> str:
    """One line from the several in which jsonargparse explains itself."""
    lines = [line.strip(" -") for line in str(message).splitlines() if line.strip()]
    text = re.sub(r'Parser key "([^"]+)"', r"--\1", " ".join(lines))
    return re.sub(r"\s+", " ", text)
