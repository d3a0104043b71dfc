"""Decisions are on disk before they count, and a kill spoils at most the line that was being written."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import OperationError, UserError
from domains.tables.project.decisions import Decision, DecisionLog, active, new_decision
from domains.tables.project.row_refs import RowRef

A, B, C = (RowRef("s", i, f"{i:016x}") for i in range(3))


@pytest.fixture
def log(tmp_path):
    return DecisionLog(tmp_path / "decisions.jsonl")


EACH_KIND = [
    new_decision("pair", [[A], [B]], answer="yes"),
    new_decision("must_link", [[A], [B]]),
    new_decision("cannot_link", [[A], [B]]),
    new_decision("merge", [[A], [B, C]]),
    new_decision("split", [[A, C], [B]]),
    new_decision("lock", [[A, B]]),
    new_decision("value", [[A, B]], column="Straße", value="=1+1\n\u202e"),
    new_decision("rule", column="name", rule="longest"),
    new_decision("threshold", threshold=0.25),
    new_decision("undo", of="abc"),
]


@pytest.mark.parametrize("decision", EACH_KIND, ids=lambda d: d.kind)
def test_round_trip(log, decision):
    log.append(decision)
    assert log.read() == ([decision], [])
    assert log.path.read_bytes().count(b"\n") == 1


def test_no_file_is_no_decision(log):
    assert log.read() == ([], [])


@settings(deadline=None)
@given(st.text())
def test_any_value(tmp_path_factory, value):
    log = DecisionLog(tmp_path_factory.mktemp("log") / "d.jsonl")
    log.append(new_decision("value", [[A]], column="c", value=value))
    assert log.read()[0][0].value == value


def test_lone_surrogate(log):
    log.append(new_decision("value", [[A]], column="c", value="\ud800"))
    assert log.read()[0][0].value == "\ud800"


@pytest.mark.parametrize("cut", range(1, 40))
def test_half_written_last_line_is_ignored_and_reported(log, cut):
    first, second, third = EACH_KIND[:3]
    log.append(first)
    log.append(second)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[: -1 - cut])
    decisions, ignored = log.read()
    assert decisions == [first]
    assert "line 2 is half-written" in ignored[0]
    log.append(third)
    decisions, ignored = log.read()
    assert decisions == [first, third]
    assert len(ignored) == 1
    assert log.path.read_bytes().startswith(whole[: -1 - cut])  # nothing that was written is ever changed


def test_whole_line_without_its_end_counts(log):
    log.append(EACH_KIND[0])
    log.path.write_bytes(log.path.read_bytes()[:-1])
    log.append(EACH_KIND[1])
    assert log.read() == (EACH_KIND[:2], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id":"x","time":"t","user":"u","kind":"megre"}', "did you mean 'merge'"),
        ('{"id":"x","time":"t","user":"u","kind":"merge"}', "needs 2 groups"),
        ('{"id":"x","time":"t","user":"u","kind":"undo"}', "needs 'of'"),
        ('{"id":"x","kind":"undo"}', "'time' is missing"),
        ('{"id":"x","time":"t","user":"u","kind":"threshold","threshold":7}', "in \\[0, 1\\]"),
        ("[]", "line 1 is no decision"),
        (
            '{"id":"x","time":"t","user":"u","kind":"pair","groups":[[["s",0,"d"]],[["s",1,"d"]]],"answer":"maybe"}',
            "yes",
        ),
    ],
)
def test_whole_line_that_is_wrong(log, line, message):
    log.path.write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        log.read()


def test_same_id_twice(log):
    log.append(EACH_KIND[0])
    log.append(EACH_KIND[0])
    with pytest.raises(UserError, match="line 2: the id"):
        log.read()


def test_not_writable(tmp_path):
    with pytest.raises(OperationError, match="was not saved"):
        DecisionLog(tmp_path / "none" / "d.jsonl").append(EACH_KIND[0])


@pytest.mark.parametrize("groups", [[], [[A]], [[A], []], [[A], [A]], [[A, B], [C]]])
def test_pair_needs_two_rows(groups):
    with pytest.raises(ValueError, match="pair"):
        new_decision("pair", groups, answer="yes")


def test_on_disk_when_append_returns(log, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(log.path.read_bytes()) or real(file))
    log.append(EACH_KIND[0])
    assert json.loads(synced[0])["id"] == EACH_KIND[0].id
    assert len(synced) == 2  # a new file: its folder as well


def _active_by_rule(decisions):
    """Straight from the words: a line counts if no undo that counts names it."""
    dead = {d.id for d in decisions if any(u.of == d.id and u in _active_undos(decisions) for u in decisions)}
    return [d for d in decisions if d.id not in dead and d.kind != "undo"]


def _active_undos(decisions):
    return [
        u
        for u in decisions
        if u.kind == "undo" and not any(o.of == u.id for o in _active_undos(decisions[decisions.index(u) + 1 :]))
    ]


@settings(deadline=None)
@given(st.data())
def test_undo_chains(data):
    lines: list[Decision] = []
    for i in range(data.draw(st.integers(1, 8))):
        of = data.draw(st.sampled_from([None, *[d.id for d in lines]]))
        kind = "threshold" if of is None else "undo"
        lines.append(Decision(str(i), "t", "u", kind, threshold=None if of else 0.5, of=of))
    assert active(lines) == _active_by_rule(lines)


def _write(path, who):
    log = DecisionLog(path)
    for _ in range(50):
        log.append(new_decision("threshold", user=who, threshold=0.5))


@pytest.mark.slow
def test_two_programs_at_once(log):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(log.path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    decisions, ignored = log.read()
    assert len(decisions) == 100
    assert ignored == []


@pytest.mark.slow
def test_kill_in_the_middle(log):
    code = (
        "import sys\nfrom domains.tables.project.decisions import *\nlog = DecisionLog(sys.argv[1])\n"
        "while True:\n    d = new_decision('threshold', threshold=.5)\n    log.append(d)\n    print(d.id, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(log.path)], stdout=subprocess.PIPE, text=True)
    told = [process.stdout.readline().strip() for _ in range(20)]
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().split()
    process.wait()
    process.stdout.close()
    kept = {d.id for d in log.read()[0]}
    assert set(told) - {""} <= kept


_NAMELESS = """
import os
from domains.tables.project.decisions import new_decision
if not os.getuid():
    os.setuid(54321)
print(os.getuid(), new_decision("threshold", threshold=0.5).user)
"""


def test_somebody_without_a_name_decides_as_a_number():
    found = subprocess.run(
        [sys.executable, "-c", _NAMELESS], env={"PYTHONPATH": os.getcwd()}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    number, user = found.stdout.split()
    if number == "54321":  # only the administrator can become somebody whom the system does not know
        assert user == "54321"
    assert new_decision("threshold", user="ada", threshold=0.5).user == "ada"
