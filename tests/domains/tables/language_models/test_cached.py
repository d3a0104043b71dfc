import json
import os
import signal
import subprocess
import sys
import time

import pytest

from domains.tables.language_models.cached import CachedModel
from domains.tables.language_models.cost import Cost, Request, cost_of
from domains.tables.language_models.ngrams import NGramScorer


class Counting:
    """Scores lengths and counts how often it is asked."""

    def __init__(self, name="counting"):
        self.name, self.context, self.asked = name, None, 0

    def tokens(self, text):
        return len(text)

    def score(self, prompt, candidates):
        self.asked += 1
        return [-float(len(one)) for one in candidates]


def test_asks_once(tmp_path):
    inner = Counting()
    model = CachedModel(inner, tmp_path / "new")
    assert model.score("p", ["aa", "b", "aa"]) == [-2.0, -1.0, -2.0]
    assert model.score("p", ["b", "aa"]) == [-1.0, -2.0]
    assert inner.asked == 1
    assert CachedModel(inner, tmp_path / "new").score("p", ["b", "aa"]) == [-1.0, -2.0]
    assert inner.asked == 1
    assert model.has("p", ["aa", "b"])
    assert model.has("p", ["b", "aa"])
    for other in (("q", ["b", "aa"]), ("p", ["b"])):
        model.score(*other)
    CachedModel(Counting("else"), tmp_path / "new").score("p", ["b", "aa"])
    assert inner.asked == 3
    assert len(list((tmp_path / "new").rglob("*.json"))) == 4


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"scores": [1]}', '{"scores": [NaN, 1.0]}', '{"scores": ["a", "b"]}', "\xff"]
)
def test_broken_file_is_replaced(tmp_path, text):
    inner = Counting()
    model = CachedModel(inner, tmp_path)
    model.score("p", ["aa", "b"])
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(text.encode("latin-1"))
    assert model.score("p", ["aa", "b"]) == [-2.0, -1.0]
    assert inner.asked == 2
    assert json.loads(file.read_text()) == {"scores": [-2.0, -1.0]}


def test_gives_nothing_away(tmp_path):
    CachedModel(Counting(), tmp_path).score("a secret prompt", ["a secret value"])
    (file,) = tmp_path.rglob("*.json")
    assert "secret" not in file.read_text() + str(file.relative_to(tmp_path))


def test_cost(tmp_path):
    model = CachedModel(Counting(), tmp_path)
    asked = [Request("prompt", ("a", "bb")), Request("prompt", ("a", "bb")), Request("other", ("c",))]
    assert cost_of(model, asked) == Cost(2, 1, 3, (6 + 2) + (6 + 3) + (5 + 2))
    assert cost_of(Counting(), asked).requests == 3
    model.score("prompt", ["bb", "a"])
    assert cost_of(model, asked) == Cost(1, 2, 1, 7)
    assert model.model.asked == 1


_WRITER = """
import sys
from pathlib import Path
from domains.tables.language_models.cached import CachedModel
from domains.tables.language_models.ngrams import NGramScorer
model = CachedModel(NGramScorer(), Path(sys.argv[1]))
for i in range(100000):
    model.score(f"prompt {i}", ["a", "b"])
"""


def test_survives_a_kill(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)])
    deadline = time.monotonic() + 60
    while len(list(tmp_path.rglob("*.json"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    model = CachedModel(NGramScorer(), tmp_path)
    whole = [file for file in tmp_path.rglob("*.json") if not file.name.startswith(".")]
    assert len(whole) >= 20
    for file in whole:
        assert len(json.loads(file.read_text())["scores"]) == 2
    for i in range(20):
        assert model.has(f"prompt {i}", ["a", "b"])
        assert model.score(f"prompt {i}", ["a", "b"]) == NGramScorer().score(f"prompt {i}", ["a", "b"])
