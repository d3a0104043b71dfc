"""Entry point: choose the sub-command, turn every error into one message and an exit code."""

import logging
import os
import sys
from collections.abc import Sequence

from core.errors import LimitError, OperationError, UserError, unknown_name
from core.plugins import benchmarks, domains

__all__ = ["main"]

_WIDTH = 14


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``counterpoint``; None takes those of the process.

    Returns:
        0 done, 1 failed, 2 the input is wrong, 3 stopped on a limit, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [w for w in words if w != "--debug"]
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.captureWarnings(True)
    try:
        return _dispatch(words)
    except UserError as error:
        _fail(str(error), debug, error)
        return 3 if isinstance(error, LimitError) else 2
    except OperationError as error:
        _fail(str(error), debug, error)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept: run it again (training goes on with --resume)", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `counterpoint ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _fail(message: str, debug: bool, error: Exception) -> None:
    if debug:
        raise error
    print(f"counterpoint: {message}", file=sys.stderr)


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    first, rest = words[0], words[1:]
    if first == "--version":
        from importlib.metadata import version

        print(version("counterpoint"))
        return 0
    if first == "bench":
        from core.cli.bench import bench

        return bench(rest)
    if first == "data":
        from core.cli.data import data

        return data(rest)
    if first == "losses":
        from core.cli.losses import losses

        return losses(rest)
    if first == "report":
        from core.cli.report import report

        return report(rest)
    known = domains()
    if first not in known:
        raise unknown_name("command", first, [*known, "bench", "data", "losses", "report"])
    from core.cli.domain import run_domain

    return run_domain(known[first], rest)


def _overview() -> str:
    lines = [
        "counterpoint: contrastive and self-supervised learning, one core, many domains",
        "",
        "usage: counterpoint COMMAND ...        (COMMAND --help tells more, --debug shows tracebacks)",
        "",
        "domains",
        *(f"  {name:<{_WIDTH}}{d.summary}" for name, d in domains().items()),
        "",
        "for all of them",
        f"  {'bench':<{_WIDTH}}run the studies ({', '.join(benchmarks())}) and print their tables",
        f"  {'data':<{_WIDTH}}list, show and fetch data sets",
        f"  {'losses':<{_WIDTH}}losses, samplers, heads and adversaries for a training loop of your own",
        f"  {'report':<{_WIDTH}}one HTML page from a folder of runs or results",
        "",
        "try",
        "  counterpoint graphs train graphmae --data wine-knn --epochs 100 --out runs/wine",
        "  counterpoint graphs evaluate runs/wine",
        "  counterpoint bench graphs --profile quick",
    ]
    return "\n".join(lines)
