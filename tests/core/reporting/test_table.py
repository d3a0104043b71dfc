"""Tables: the numbers of the records, the best mean, what is said about controls and published numbers."""

import io

import pytest
from rich.console import Console

from core.reporting import Published
from core.reporting.table import markdown, print_tables, tables
from tests.core.reporting.example import example


def rows_of(records):
    (table,) = tables(records)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}, table


def cells_of(line):
    """The cells of a Markdown row, as GitHub splits it: at every bar that no backslash precedes."""
    cells, cell = [], ""
    for before, character in zip(" " + line, line, strict=False):
        if character == "|" and before != "\\":
            cells.append(cell.strip())
            cell = ""
        else:
            cell += character
    return cells[1:]


@pytest.mark.parametrize(
    ("mean", "std", "shown"),
    [
        (84.2345, 0.567, "84.23 ± 0.57"),
        (84.2345, 0.0, "84.23 ± 0.00"),
        (84.2345, None, "84.23"),
        (0.0, 0.0, "0.00 ± 0.00"),
        (-3.14159, 0.5, "-3.14 ± 0.50"),
        (0.319, 0.0126, "0.32 ± 0.01"),
        (999.994, 1.0, "999.99 ± 1.00"),
        (1234.5678, 12.34, "1235 ± 12"),
        (0.0123, 0.0045, "0.012 ± 0.004"),
        (0.001234, 0.00056, "0.0012 ± 0.0006"),
        (-0.001234, 0.00056, "-0.0012 ± 0.0006"),
        (0.00087, 0.00012, "8.7e-04 ± 1.2e-04"),
        (2.5e-6, 1e-7, "2.5e-06 ± 1.0e-07"),
    ],
)
def test_two_decimals_more_for_small_numbers_none_for_large_ones(mean, std, shown):
    """The rounding errors of a loss, a thousandth, were shown as 0.00."""
    rows, _ = rows_of([example(mean=mean, std=std, metric="error")])
    assert rows["GraphMAE"]["error"] == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(12.345, "12.3"), (0.0, "0.0"), (0.25, "0.2"), (0.0021, "0.0021"), (1234.5, "1234.5"), (None, "")],
)
def test_costs(seconds, shown):
    rows, _ = rows_of([example(seconds=seconds, peak_mb=seconds)])
    assert rows["GraphMAE"]["seconds"] == rows["GraphMAE"]["MB"] == shown
    assert rows["GraphMAE"]["seeds"] == "3"


def test_columns_rows_and_order_are_those_of_the_records():
    systems = [("b", "method", 80.0), ("a", "baseline", 70.0), ("c", "untrained", 60.0), ("d", "ablation", 50.0)]
    records = []
    for name, role, mean in systems:
        records.append(example(system=name, role=role, mean=mean))
        if name != "c":
            records.append(example(system=name, role=role, mean=mean / 2, metric="kNN %", published=None, verdict=None))
    rows, table = rows_of(records)
    assert table.title == "cora (public split)"
    assert table.columns == (
        *("system", "role", "accuracy %", "published", "verdict"),
        *("kNN %", "seconds", "MB", "seeds"),
    )
    assert list(rows) == ["b", "a", "c", "d"]
    assert [row["role"] for row in rows.values()] == ["", "baseline", "untrained", "ablation"]
    assert [row["kNN %"] for row in rows.values()] == ["40.00 ± 1.00", "35.00 ± 1.00", "", "25.00 ± 1.00"]
    assert table.best == {0}


def test_a_system_without_the_leading_metric_has_an_empty_cell_and_is_never_best():
    records = [
        example(system="a", mean=10.0),
        example(system="b", metric="ms", mean=99.0, higher_is_better=False, published=None, verdict=None, peak_mb=None),
    ]
    rows, table = rows_of(records)
    assert (rows["b"]["accuracy %"], rows["b"]["ms"], rows["b"]["verdict"]) == ("", "99.00 ± 1.00", "")
    assert table.best == {0}


def test_a_result_that_is_not_finite_says_so_and_is_never_best():
    rows = [
        example(system="a", mean=None, std=None, values=(None, 1.0, 2.0), role="baseline", higher_is_better=False),
        example(system="b", mean=3.0, higher_is_better=False),
    ]
    (table,) = tables(rows)
    assert [row[2] for row in table.rows] == ["not finite", "3.00 ± 1.00"]
    assert table.best == {1}


@pytest.mark.parametrize(
    ("higher", "means", "best"),
    [
        (True, [1.0, 3.0, 2.0], {1}),
        (True, [3.0, 3.0001, 2.0], {1}),
        (False, [2.0, 3.0, 1.0], {2}),
        (True, [3.0, 1.0, 3.0], {0, 2}),
        (False, [-1.0, -2.0, 5.0], {1}),
        (True, [-1.0, -2.0], {0}),
    ],
)
def test_the_best_mean_is_marked(higher, means, best):
    records = [example(system=f"s{i}", mean=m, higher_is_better=higher, role="ablation") for i, m in enumerate(means)]
    _, table = rows_of(records)
    assert table.best == best
    lines = markdown(table).splitlines()[4:]
    for number, line in enumerate(lines):
        assert cells_of(line)[2].startswith("**") == (number in best)
        assert line.count("**") == (2 if number in best else 0)


def test_one_table_for_each_profile_data_set_and_split():
    records = [
        example(dataset="cora"),
        example(dataset="photo", split=""),
        example(dataset="cora", profile="quick"),
        example(dataset="cora", system="second"),
        example(dataset="cora", split="random"),
    ]
    found = tables(records)
    assert [t.title for t in found] == ["cora (public split)", "photo", "cora (public split)", "cora (random)"]
    assert [len(t.rows) for t in found] == [2, 1, 1, 1]
    assert tables([]) == []


def test_columns_for_claims_only_where_there_is_one():
    _, plain = rows_of([example(published=None, verdict=None)])
    assert plain.columns == ("system", "role", "accuracy %", "seconds", "MB", "seeds")
    rows, _ = rows_of([example(published=None, verdict="not seen"), example(system="b", published=None, verdict=None)])
    assert (rows["GraphMAE"]["published"], rows["GraphMAE"]["verdict"]) == ("", "not seen")
    assert (rows["b"]["published"], rows["b"]["verdict"]) == ("", "")


def test_published_numbers_say_whether_they_compare():
    records = [
        example(published=Published(84.2, "p", True)),
        example(system="b", published=Published(75.0, "p", False, "another split")),
        example(system="c", published=Published(None, "p", False, "a figure only")),
    ]
    rows, table = rows_of(records)
    assert [row["published"] for row in rows.values()] == ["84.2", "75 (not comparable)", ""]
    assert table.notes == (
        "b: the published number is not comparable (another split).",
        "c: the published number is not comparable (a figure only).",
    )


@pytest.mark.parametrize(("higher", "sign"), [(True, 1.0), (False, -1.0)])
def test_a_method_below_the_best_control_is_said_to_be(higher, sign):
    systems = {"over": ("method", 9), "level": ("method", 8), "under": ("method", 7), "cut": ("ablation", 1)}
    systems |= {"strong": ("baseline", 8), "weak": ("untrained", 2)}
    records = [
        example(system=name, role=role, mean=sign * mean, higher_is_better=higher, verdict="within noise")
        for name, (role, mean) in systems.items()
    ]
    _, table = rows_of(records)
    assert table.notes == ("under does not reach the best control here.",)


def test_a_table_of_costs_repeats_none_and_compares_with_no_floor():
    """A loss was said not to reach the three matrix products that no loss can do without."""
    records = [
        example(
            system="floor", role="baseline", metric="ms", mean=1.0, higher_is_better=False, verdict=None, published=None
        ),
        example(system="ours", metric="ms", mean=2.0, higher_is_better=False, verdict=None, published=None),
    ]
    _, table = rows_of(records)
    assert table.notes == ()
    assert table.columns == ("system", "role", "ms", "seeds")


def test_markdown_is_a_table_that_a_bar_in_a_name_does_not_break():
    """A bar in a name began another cell."""
    names = ["p(a|b)", "plain", "|a||b|"]
    records = [example(system=name, mean=80.0 + i, metric="|error| %") for i, name in enumerate(names)]
    _, table = rows_of(records)
    title, blank, head, rule, *body = markdown(table).splitlines()
    assert (title, blank) == ("### cora (public split)", "")
    assert {len(cells_of(line)) for line in (head, rule, *body)} == {len(table.columns)}
    assert cells_of(rule) == ["---", "---"] + ["---:"] * (len(table.columns) - 2)
    assert cells_of(head)[2].replace("\\|", "|") == "|error| %"
    assert [cells_of(line)[0].replace("\\|", "|") for line in body] == names
    assert cells_of(body[2])[2] == "**82.00 ± 1.00**"


def test_notes_stand_below_the_table():
    _, table = rows_of([example(published=Published(1.0, "p", False, "why | not"))])
    lines = markdown(table).splitlines()
    assert lines[-2:] == ["", "- GraphMAE: the published number is not comparable (why | not)."]


def test_printed_tables_show_names_as_they_are():
    """Words in square brackets vanished from names: rich took them for its markup."""
    file = io.StringIO()
    records = [
        example(system="GAE [ours]", dataset="cora [v2]", published=Published(1.0, "p", False, "see [a]")),
        example(system="[/closed]", dataset="cora [v2]", role="baseline", mean=90.0),
    ]
    print_tables(records, Console(file=file, width=140))
    printed = file.getvalue()
    for text in ("GAE [ours]", "[/closed]", "cora [v2] (public split)", "84.00 ± 1.00", "(see [a])", "does not reach"):
        assert text in printed


def test_a_pipe_gets_whole_lines_on_stdout(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    print_tables([example(system="a system with quite a long name", dataset="d" * 60)])
    captured = capsys.readouterr()
    assert "a system with quite a long name" in captured.out
    assert "d" * 60 in captured.out
    assert "\x1b" not in captured.out
    assert captured.err == ""


def test_claims_stand_one_a_row_with_their_source():
    settings = {"metric": "accuracy", "minus": "", "unit": "points"}
    kept = example(
        system="DCL above NT-Xent",
        metric="difference",
        dataset="cifar: claims",
        split="small batches",
        mean=2.0,
        std=0.5,
        values=(1.5, 2.0, 2.5),
        published=Published(6.3, "Yeh et al. 2022", False, "another network"),
        verdict="seen",
        settings=settings,
    )
    bare = example(
        system="GroCo above NT-Xent",
        metric="difference",
        dataset="cifar: claims",
        split="small batches",
        mean=-1.0,
        std=0.5,
        values=(-1.5, -1.0, -0.5),
        published=Published(None, "Shvetsova et al. 2023", False, "another network"),
        verdict="within noise",
        settings={**settings, "metric": "rank", "minus": "rank before", "unit": "rank"},
    )
    rows, table = rows_of([kept, bare])
    assert table.title == "cifar: claims (small batches)"
    assert list(rows["DCL above NT-Xent"].values())[1:] == [
        "accuracy",
        "2.00 ± 0.50 points",
        "+6.3",
        "seen",
        "Yeh et al. 2022",
        "3",
    ]
    assert rows["GroCo above NT-Xent"]["of"] == "rank less rank before"
    assert rows["GroCo above NT-Xent"]["published"] == ""
    assert table.best == frozenset()
    assert table.notes == ("Published differences are not comparable (another network).",)


def test_several_rows_share_one_note():
    def row(system, mean, role="method"):
        published = Published(90.0, "paper", False, "why not")
        return example(system=system, mean=mean, role=role, published=published if role == "method" else None)

    _, table = rows_of([row("best", 80.0, "baseline"), row("a", 70.0), row("b", 60.0)])
    assert table.notes == (
        "a, b do not reach the best control here.",
        "a, b: the published numbers are not comparable (why not).",
    )
