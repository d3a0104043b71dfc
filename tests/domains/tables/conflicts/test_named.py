import pandas as pd
import pytest

from core.errors import UserError
from domains.tables.conflicts.by_function import Concatenation, NumberRule, OwnFunction
from domains.tables.conflicts.by_reliability import SourceReliability
from domains.tables.conflicts.by_vote import Longest, Majority, Newest, SourcePriority
from domains.tables.conflicts.named import RULE_NAMES, learns_about_sources, prepared, rule_of
from domains.tables.conflicts.truth import Accu, MajorityVote, SlimFast, TruthFinder
from domains.tables.data.table import Table


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


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("newest:seen", "newest:seen:mdy"),
        ("newest:seen:dmy", "newest:seen:dmy"),
        ("newest:a:dmy:ymd", "newest:a:dmy:ymd"),
        ("newest:lost", "newest:lost"),
        ("source_priority:a>b", "source_priority:a>b"),
        ("truth", "truth"),
        ("llm", "llm"),
    ],
)
def test_prepared_with_what_all_rows_tell(rule, expected):
    table = Table.of(pd.DataFrame({"seen": ["01/02/2020", "12/25/2019"], "a:dmy": ["2020", "2021"]}))
    assert prepared(rule, table) == expected
    assert prepared(expected, table) == expected


def test_preparing_refuses_what_the_rule_would_refuse():
    table = Table.of(pd.DataFrame({"seen": ["25/12/2020", "12/25/2020"]}))
    with pytest.raises(UserError, match="mixes"):
        prepared("newest:seen", table)
    with pytest.raises(UserError, match="newest:COLUMN"):
        prepared("newest", table)


def test_which_rules_learn_about_sources():
    names = [*RULE_NAMES, "truth:slimfast", "newest:truth", "union:truth"]
    assert [name for name in names if learns_about_sources(name)] == ["truth", "truth:slimfast"]
