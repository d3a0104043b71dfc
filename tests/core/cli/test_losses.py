"""``counterpoint losses``: the list, its filters, one part at a time; and a catalogue that holds what there is."""

import fcntl
import importlib
import inspect
import json
import os
import re
import struct
import subprocess
import sys
import termios
import time
import tomllib
from dataclasses import asdict
from enum import Enum
from importlib.resources import files
from pathlib import Path

import pytest
from torch import nn

from core.adversarial import Adversary
from core.cli.main import main
from core.parts import PACKAGES, SHAPES, find_part, parts
from core.samplers.near_copies import Measure

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-c", "import sys; from core.cli.main import main; sys.exit(main())", "losses"]


def run(capsys, *words):
    code = main(["losses", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def classes(package):
    """The public classes of a package that can be made; not what they return, nor the measures that a filter takes."""
    module = importlib.import_module(package)
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in found.items()
        if inspect.isclass(value) and not issubclass(value, (tuple, Enum, Measure)) and not inspect.isabstract(value)
    }


def offered(kind):
    found = classes(PACKAGES[kind])
    if kind == "loss":
        return {n for n, c in found.items() if issubclass(c, nn.Module) and n.endswith("Loss")} | {
            "PairwiseAggregation"
        }
    if kind == "head":
        return {name for name, value in found.items() if issubclass(value, nn.Module)}
    if kind == "adversary":
        return {name for name, value in found.items() if issubclass(value, Adversary)}
    return set(found)


@pytest.mark.parametrize("kind", PACKAGES)
def test_the_catalogue_holds_exactly_what_the_package_offers(kind):
    assert {part.name for part in parts() if part.kind == kind} == offered(kind)


def test_entries_are_whole():
    assert len(parts()) == len(tomllib.loads((files("core") / "catalogue.toml").read_text()))
    for part in parts():
        assert all(getattr(part, field) for field in part.__dataclass_fields__), part.name
        assert part.kind in PACKAGES
        assert part.kind != "loss" or part.takes in SHAPES, part.name
        assert part.link.startswith("https://"), part.name
        assert re.search(r"\b(19|20)\d\d\b", part.paper), part.name
        assert len(part.line) <= 90, part.name
        assert not part.line.endswith("."), part.name
        assert inspect.isclass(part.load()), part.name


def test_pages_exist_are_in_the_navigation_and_name_the_class():
    navigation = (ROOT / "zensical.toml").read_text()
    for part in parts():
        assert part.page.startswith({"adversary": "adversaries"}.get(part.kind, part.package.partition(".")[2])), part
        assert f'"{part.page}"' in navigation, part.name
        text = (ROOT / "docs" / part.page).read_text()
        assert f"`{part.name}`" in text, part.name
        assert part.link in text, part.name


def test_parts_come_by_kind_and_by_shape():
    kinds = [part.kind for part in parts()]
    assert kinds == sorted(kinds, key=list(PACKAGES).index)
    shapes = [part.takes for part in parts() if part.kind == "loss"]
    assert shapes == sorted(shapes, key=list(SHAPES).index)


@pytest.mark.parametrize("word", ["DCLLoss", "dclloss", "dcl", "DCL", "d-c-l", "dcl_loss"])
def test_names_are_found_however_they_are_written(word):
    assert find_part(word).name == "DCLLoss"
    assert find_part(word, "loss").name == "DCLLoss"


def test_the_list_shows_every_loss_with_line_paper_and_link(capsys):
    code, out, err = run(capsys)
    assert code == 0
    assert not err
    shown = {line.split()[0]: line for line in out.splitlines() if line.startswith("  ")}
    assert set(shown) == {part.name for part in parts() if part.kind == "loss"}
    for part in parts():
        if part.kind == "loss":
            assert all(text in shown[part.name] for text in (part.line, part.paper, part.link))
    titles = [line.partition(":")[0] for line in out.splitlines() if line and not line.startswith(" ")]
    assert titles == [shape for shape in SHAPES if any(p.takes == shape for p in parts() if p.kind == "loss")]


def test_takes_filters(capsys):
    _, out, _ = run(capsys, "--takes", "labels")
    assert "SupConLoss" in out
    assert "NTXentLoss" not in out
    assert len([line for line in out.splitlines() if line and not line.startswith(" ")]) == 1


@pytest.mark.parametrize(
    ("kind", "there"), [("sampler", "MemoryQueue"), ("head", "ProjectionHead"), ("adversary", "VAT")]
)
def test_kind_lists_the_others(capsys, kind, there):
    code, out, _ = run(capsys, "--kind", kind)
    assert code == 0
    assert f"\n  {there} " in out
    assert "NTXentLoss" not in out
    _, everything, _ = run(capsys, "--kind", "all")
    assert f"\n  {there} " in everything
    assert "\n  NTXentLoss " in everything


def test_json_prints_records(capsys):
    _, out, _ = run(capsys, "--json")
    records = json.loads(out)
    assert [r["name"] for r in records] == [part.name for part in parts() if part.kind == "loss"]
    assert set(records[0]) == {"name", "kind", "takes", "line", "paper", "link", "page", "package"}
    _, out, _ = run(capsys, "--json", "--kind", "all")
    assert len(json.loads(out)) == len(parts())
    _, out, _ = run(capsys, "vat", "--json")
    assert json.loads(out) == asdict(find_part("VAT")) | {"package": "core.adversarial"}


def test_one_part_is_shown_with_settings_call_formula_and_page(capsys):
    code, out, _ = run(capsys, "dcl")
    assert code == 0
    assert out.startswith("DCLLoss: ")
    flat = " ".join(out.split())
    assert "from core.losses import DCLLoss" in flat
    assert "DCLLoss(*, temperature=0.1, reduction='mean'" in flat
    assert "call: loss(query, key, *, negatives=None," in flat
    assert "docs/losses/dcl.md" in flat
    assert "L_i = -w_i s_i + log U_i" in flat  # the function's docstring, since the class has only its settings
    assert "Args:" not in out
    assert max(len(line) for line in out.splitlines()) <= 120


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MemoryQueue", "sampler.update(keys)"),
        ("VAT", "adversary.loss(forward, x, reference, *, mask=None, epsilon=None)"),
        ("SiFT", "adversary.normalize(x)"),
        ("ProjectionHead", "head("),
        ("PairwiseAggregation", "PairwiseAggregation(loss, *, mode='pairs')"),
    ],
)
def test_other_kinds_are_shown_as_they_are_used(capsys, name, text):
    code, out, _ = run(capsys, name)
    assert code == 0
    assert text in " ".join(out.split())


@pytest.mark.parametrize("name", [part.name for part in parts()])
def test_every_part_can_be_shown_the_same_way_twice(capsys, name):
    code, out, _ = run(capsys, name)
    assert code == 0
    assert " at 0x" not in out
    assert len(out.split("\n\n")[-1]) > 30
    assert run(capsys, name)[1] == out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["NTXentLos"], "unknown part 'NTXentLos'; did you mean 'NTXentLoss'"),
        (["suppcon"], "did you mean 'SupConLoss'"),
        (["MemoryQueue", "--kind", "loss"], "unknown loss 'MemoryQueue'"),
        (["--takes", "label"], "unknown shape of data 'label'; did you mean 'labels'"),
        (["--kind", "samplers"], "unknown kind 'samplers'; did you mean 'sampler'"),
        (["--takes", "pairs", "--kind", "head"], "--takes filters the list of losses"),
        (["dcl", "--takes", "pairs"], "--takes filters the list of losses"),
        (["--taks", "pairs"], "unknown flag '--taks'; did you mean '--takes'"),
        (["dcl", "vat"], "vat"),
    ],
)
def test_wrong_words_end_with_2_and_one_message(capsys, words, message):
    code, out, err = run(capsys, *words)
    assert code == 2
    assert message in err
    assert not out


def test_the_command_is_listed_and_guessed(capsys):
    assert main([]) == 0
    assert "\n  losses " in capsys.readouterr().out
    assert main(["loses"]) == 2
    assert "did you mean 'losses'" in capsys.readouterr().err


def test_help_is_one_screen_with_an_example_that_works(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert len(out.splitlines()) < 30
    example = out.partition("example: counterpoint losses")[2].split()
    assert example
    assert run(capsys, *example)[0] == 0


def test_the_list_is_fast_imports_no_torch_and_a_pipe_gets_plain_lines():
    heavy = ("torch", "numpy", "pandas", "lightning", "core.losses")
    script = "import sys; from core.cli.main import main; code = main(['losses', '--kind', 'all']); "
    script += f"sys.exit(any(m in sys.modules for m in {heavy}) or code)"
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        times.append(time.monotonic() - started)
    assert min(times) < 0.5
    assert not re.search(r"[\x1b─-╿]", done.stdout)
    assert all(line == line.rstrip() for line in done.stdout.splitlines())
    assert sum(line.startswith("  ") for line in done.stdout.splitlines()) == len(parts())


def on_a_terminal(columns, *words):
    """Output of the command on a pseudo-terminal."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")} | {"TERM": "xterm-256color"}
    process = subprocess.Popen([*COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert process.wait() == 0
    return seen.decode()


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_colour_and_lines_that_fit(columns):
    out = on_a_terminal(columns)
    assert "\x1b[" in out
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert all(len(line) <= columns for line in plain.splitlines())
    for part in parts():
        if part.kind == "loss":
            assert part.name in plain
            assert part.link in plain
    assert "--kind all" in plain
