"""The examples of README and documentation run as they stand."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from core.cli.main import main
from core.data import find
from core.plugins import benchmarks, domain, domains
from domains.tables.data.embedded import load_embedded
from domains.tables.data.export import write_table
from domains.tables.data.read import read_source
from domains.vision.data.read import read_images

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# These need no download and end in seconds; of all others the words are checked.
EMBEDDED = ("README.md", "docs/quickstart.md")
LONG = ("counterpoint bench", "counterpoint report", "counterpoint data fetch")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def commands(page):
    lines = [line.partition("#")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("counterpoint ")]


def name(page):
    return page.relative_to(ROOT).as_posix()


def write_photos(folder):
    """What stands in for a folder of the reader's."""
    digits = read_images("digits")
    for row in range(30):
        place = folder / digits.class_names[int(digits.labels[row])] / f"{row}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[row].permute(1, 2, 0).numpy()).save(place)


def write_shops(folder):
    """What stands in for two tables of the reader's."""
    register, tourism = load_embedded("libraries")[0][:2]
    write_table(register.frame, folder / "shops.csv")
    write_table(tourism.frame, folder / "register.xlsx")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which the commands of the README and the quick start have run, one after the other."""
    folder = tmp_path_factory.mktemp("examples")
    write_photos(folder / "photos")
    write_shops(folder)
    lines = [line for page in EMBEDDED for line in commands(ROOT / page)]
    lines = [line for line in dict.fromkeys(lines) if " cora" not in line and not line.startswith(LONG)]
    assert len(lines) >= 5
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in lines:
            assert main(shlex.split(line)[1:]) == 0, line
    return folder


def test_the_readme_starts_with_the_two_commands():
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert [line.partition("#")[0].strip() for line in first] == ["make bench", "make test"]


def test_commands_leave_what_they_promise(workplace):
    assert (workplace / "runs/wine.parquet").stat().st_size > 10_000
    assert (workplace / "runs/wine.png").read_bytes().startswith(b"\x89PNG")
    assert (workplace / "runs/wine/model/model.safetensors").exists()
    assert (workplace / "runs/photos.png").read_bytes().startswith(b"\x89PNG")
    assert len(read_source(workplace / "golden.csv").frame) > 80
    assert (workplace / "shops" / "project.yaml").is_file()
    assert (workplace / "runs/similar.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_python_examples_run(page, workplace, monkeypatch):
    """The blocks of a page run in order; where a comment names a shape, ``# (178, 128)``, the value has it."""
    monkeypatch.chdir(workplace)
    code = "\n".join(blocks(page, "python"))
    values = {}
    exec(compile(code, name(page), "exec"), values)
    for value, shape in re.findall(r"^(\w+) = .*#.*?(\(\d+,(?: \d+)?\))", code, re.MULTILINE):
        assert str(tuple(values[value].shape)) == shape


@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=name)
def test_words_in_commands_exist(page, capsys):
    """A command that names an unknown method, flag, data set or study is a document about what isn't there."""
    for line in commands(page):
        words = shlex.split(line)[1:]
        if words[0] == "bench":
            assert {w for w in words[1:2] if not w.startswith("-")} <= set(benchmarks())
        elif words[0] == "data":
            assert words[1] in ("list", "show", "fetch")
            if len(words) > 2:
                find(words[2])
        elif words[0] == "losses":
            assert main(words) == 0, line
        elif words[0] in domains() and words[1] == "train":
            assert main([words[0], "train", words[2], "--help"]) == 0
            shown = capsys.readouterr().out
            for word in words:
                if word.startswith("--"):
                    assert re.search(rf"{re.escape(word.replace('_', '-'))}\b", shown), (line, word)
        elif words[0] in domains():
            assert words[1] in {"evaluate", *(c.name for c in domain(words[0]).commands)}
