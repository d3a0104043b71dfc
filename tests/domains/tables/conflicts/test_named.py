import pytest

from core.errors import UserError
from domains.tables.conflicts.by_function import Concatenation, NumberRule, OwnFunction
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Longest, Majority, Newest, SourcePriority
from domains.tables.conflicts.named import RULE_NAMES, rule_of
from domains.tables.conflicts.truth import Accu, MajorityVote, SlimFast, TruthFinder


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("majority", Majority()),
        ("longest", Longest()),
        ("newest:last seen", Newest("last seen")),
        ("newest:last:dmy", Newest("last", "dmy")),
        ("newest:a:b", Newest("a:b")),
        ("source_priority:a > b>c", SourcePriority(("a", "b", "c"))),
        ("mean", NumberRule("mean")),
        ("median", NumberRule("median")),
        ("union", Concatenation()),
        ("union: / ", Concatenation(" / ")),
        ("truth", SourceReliability(Accu())),
        ("truth:slimfast", SourceReliability(SlimFast())),
        ("truth:truth_finder", SourceReliability(TruthFinder())),
        ("truth:majority_vote", SourceReliability(MajorityVote())),
    ],
)
def test_names(name, rule):
    assert rule_of(name) == rule
    assert rule_of(rule) is rule
    assert name.partition(":")[0] in RULE_NAMES


def test_function():
    assert rule_of(min) == OwnFunction(min)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("majorty", "did you mean 'majority'"),
        ("newest", "newest:COLUMN"),
        ("source_priority:", "A>B>C"),
        ("truth:acu", "did you mean 'accu'"),
        ("longest:x", "nothing after a colon"),
        (7, "a rule is a name"),
    ],
)
def test_refused(name, words, unchecked):
    with pytest.raises(UserError, match=words):
        rule_of(name)
