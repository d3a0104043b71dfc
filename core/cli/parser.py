"""jsonargparse with our manners: dashes or underscores, near names on a miss, one message instead of a usage dump."""

import re
from argparse import ArgumentError
from collections.abc import Sequence
from typing import NoReturn

from jsonargparse import ArgumentParser, Namespace

from core.errors import UserError, unknown_name

__all__ = ["CommandParser"]


class CommandParser(ArgumentParser):
    """A parser that raises :class:`~core.errors.UserError` and knows the nearest flag.

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
        )

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turn argparse's complaint into our own."""
        raise UserError(_tidy(message)) from ex

    def read(self, words: Sequence[str]) -> Namespace:
        """Parse; ``--weight-decay`` and ``--weight_decay`` are the same flag.

        Raises:
            UserError: unknown flag, missing or bad value.
        """
        known = self._flags()
        tidy = []
        for word in words:
            name, equals, value = word.partition("=")
            if name.startswith("--") and name not in known and name.replace("-", "_").replace("__", "--", 1) in known:
                name = name.replace("-", "_").replace("__", "--", 1)
            if name.startswith("--") and name not in known:
                raise unknown_name("flag", name, known)
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
