"""``counterpoint <domain> ...``: the jobs of one domain."""

import inspect
from collections.abc import Sequence
from typing import Any

from core.cli.parser import CommandParser
from core.errors import unknown_name
from core.plugins import Command, Domain
from core.registry import Registry, resolve

__all__ = ["run_domain"]


def run_domain(domain: Domain, words: Sequence[str]) -> int:
    """Run one job of a domain.

    Args:
        domain: the domain.
        words: what follows its name.

    Raises:
        UserError: unknown job, or whatever the job says of its input.
    """
    if not words or words[0] in ("-h", "--help"):
        print(_overview(domain))
        return 0
    job, rest = words[0], list(words[1:])
    commands = {command.name: command for command in domain.commands}
    if job in commands:  # a domain may have an evaluate of its own that does more
        return run_command(f"counterpoint {domain.name}", commands[job], rest)
    if job == "train":
        from core.cli.train import run_train

        return run_train(domain, rest)
    if job == "evaluate":
        from core.cli.evaluate import run_evaluate

        return run_evaluate(domain, rest)
    raise unknown_name(f"{domain.name} command", job, ["train", "evaluate", *commands])


def run_command(prefix: str, command: Command, words: Sequence[str]) -> int:
    """Run a function from its typed signature: parameters without default are positional unless keyword-only.

    A parameter whose flag is a word of Python ends in an underscore, which the flag leaves out: ``in_`` for ``--in``.
    ``*names`` takes all words that are left, also none.
    """
    if "-h" in words or "--help" in words:
        parser = _parser_for(prefix, command)
        print(parser.format_help())
        return 0
    parser = _parser_for(prefix, command)
    given = parser.read(words).as_dict()
    function = resolve(command.target)
    words_in_order: list[Any] = []
    flags: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = given[name.rstrip("_")]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            words_in_order += value or []
        elif parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and not flags:
            words_in_order.append(value)
        else:
            flags[name] = value
    function(*words_in_order, **flags)
    return 0


def _parser_for(prefix: str, command: Command) -> CommandParser:
    function = resolve(command.target)
    parser = CommandParser(f"{prefix} {command.name}", command.summary, command.example)
    explained = _argument_help(function)
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        positional = required and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        options: dict[str, Any] = {"help": explained.get(name, "").replace("%", "%%"), "type": parameter.annotation}
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            options["nargs"] = "*"
        if parameter.annotation is bool:
            options.pop("type")
            options["action"] = "store_true"
        elif not required:
            options["default"] = parameter.default
        elif not positional:
            options["required"] = True
        word = name.rstrip("_")
        parser.add_argument(word if positional else f"--{word.replace('_', '-')}", **options)
    return parser


def _argument_help(function: Any) -> dict[str, str]:
    """Texts of the docstring's Args section."""
    found: dict[str, str] = {}
    current = ""
    _, _, section = inspect.cleandoc(function.__doc__ or "").partition("Args:\n")
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        name, colon, text = line.strip().partition(":")
        if colon and name.isidentifier() and line.startswith("    ") and not line.startswith("     "):
            current = name
            found[current] = text.strip()
        elif current and line.strip():
            found[current] += f" {line.strip()}"
    return found


def _overview(domain: Domain) -> str:
    registry: Registry = resolve(domain.methods)
    own = [command.name for command in domain.commands]
    jobs = [
        ("train", "train, score and save one method"),
        *(() if "evaluate" in own else (("evaluate", "score saved models again, also on other data"),)),
        *((command.name, command.summary) for command in domain.commands),
    ]
    lines = [
        f"counterpoint {domain.name}: {domain.summary}",
        "",
        "commands",
        *(f"  {name:<14}{summary}" for name, summary in jobs),
        "",
        f"methods: {', '.join(registry.names())}",
        "",
        "examples",
        f"  counterpoint {domain.name} train {registry.names()[0]} --out runs/first",
        f"  counterpoint {domain.name} evaluate runs/first",
        *(f"  {command.example}" for command in domain.commands),
    ]
    return "\n".join(lines)
