"""The report is one page that needs nothing else, shows every record or run, and names what is damaged."""

import json
from html.parser import HTMLParser

import pytest

from core.errors import OperationError, UserError
from core.reporting import Published, write_records
from core.reporting.html import write_report
from tests.core.reporting.example import example

HOSTILE = '<script>alert("1")</script>&\'"'
VOID = {"meta", "br", "link", "img", "hr", "input"}
RESULT = {"method": "graphmae", "data": None, "scores": {"accuracy": 0.84321}, "seconds": 12.345}


class Page(HTMLParser):
    """Tags with attributes, the text of each kind of tag, and whether every tag is closed in order."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.tags, self.text, self._open = [], {}, []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)
            self.text.setdefault(tag, []).append("")

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        for tag in set(self._open):
            self.text[tag][-1] += data


def needs_nothing_else(page):
    tags = {tag for tag, _ in page.tags}
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & tags
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name.rpartition(":")[2] in ("src", "href", "action", "srcset", "data"):
                assert value.startswith("#"), (tag, name, value)
    assert "@import" not in page.source
    assert all(part.startswith(("#", "'#", '"#')) for part in page.source.split("url(")[1:])
    return True


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    for number, name in enumerate(("a", "b/deep")):
        (folder / name).mkdir(parents=True)
        scores = {"accuracy": 0.5 + number / 8} | ({"kNN accuracy": 0.25} if number else {})
        (folder / name / "result.json").write_text(
            json.dumps({**RESULT, "scores": scores, "data": "wine" if number else None})
        )
    rows = "".join(f"{step},0,loss,{1 / (step + 1)!r}\n{step},0,lr,0.001\n" for step in range(5))
    (folder / "a" / "metrics.csv").write_text("step,epoch,name,value\n" + rows)
    return folder


def test_records_are_shown_whole(tmp_path):
    records = [
        example(),
        example(system="base", role="baseline", mean=90.0, published=None, verdict=None),
        example(dataset="photo", published=Published(75.0, "p", False, "another split")),
    ]
    write_records(records, tmp_path / "results" / "graphs" / "cpu.json")
    assert write_report(tmp_path / "results", tmp_path / "deep" / "r.html") == 3
    page = Page(tmp_path / "deep" / "r.html")
    assert needs_nothing_else(page)
    assert page.text["title"][0] == "Counterpoint report"
    assert page.text["h2"] == ["cora (public split)", "photo (public split)"]
    assert page.text["p"][0] == "3 result records."
    body = [row.split("±") for row in page.text["tr"] if "±" in row]
    assert len(body) == 3
    assert body[0][0] == "GraphMAE84.00 "
    assert body[1][0] == "basebaseline90.00 "
    best = [attributes.get("class") for tag, attributes in page.tags if tag == "tr"]
    assert best == [None, None, "best", None, "best"]
    assert page.text["li"] == [
        "GraphMAE does not reach the best control here.",
        "GraphMAE: the published number is not comparable (another split).",
    ]
    assert [tag for tag, _ in page.tags].count("svg") == 2
    assert "0123456789ab" in page.text["footer"][0]
    assert "torch 2.13.0" in page.text["footer"][0]


def test_the_same_records_give_the_same_page(tmp_path):
    write_records([example()], tmp_path / "a.json")
    pages = []
    for name in ("first.html", "second.html"):
        write_report(tmp_path, tmp_path / name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_names_are_text_wherever_they_stand(tmp_path):
    hostile = example(
        **dict.fromkeys(("system", "dataset", "split", "method", "metric", "commit", "date"), HOSTILE),
        published=Published(1.0, HOSTILE, False, HOSTILE),
        versions={HOSTILE: HOSTILE},
        machine={"cpu": HOSTILE, "cores": HOSTILE},
    )
    write_records([hostile], tmp_path / "a.json")
    write_report(tmp_path, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert needs_nothing_else(page)
    assert page.text["h2"] == [f"{HOSTILE} ({HOSTILE})"]
    assert HOSTILE in page.text["tr"][0]
    assert HOSTILE in page.text["tr"][1]
    assert HOSTILE in page.text["footer"][0]
    assert HOSTILE in "".join(page.text["svg"])
    labels = [attributes["aria-label"] for _, attributes in page.tags if "aria-label" in attributes]
    assert labels[0] == f"Results on {HOSTILE} ({HOSTILE})"
    assert "<script" not in page.source


def test_many_sections_get_contents_that_lead_to_them(tmp_path):
    write_records([example(dataset=f"set {i}") for i in range(4)], tmp_path / "a.json")
    write_report(tmp_path, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    targets = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert targets == [f"#{attributes['id']}" for tag, attributes in page.tags if tag == "section"]
    assert page.text["a"] == [f"set {i} (public split)" for i in range(4)]


def test_runs_are_a_table_and_their_loss_curves(runs, tmp_path):
    """The table of runs, one seed each, said that it shows means over seeds."""
    assert write_report(runs, tmp_path / "r.html") == 2
    page = Page(tmp_path / "r.html")
    assert needs_nothing_else(page)
    assert page.text["p"][0] == "2 finished runs below runs."
    assert page.text["th"] == ["run", "method", "data", "accuracy", "kNN accuracy", "seconds", "a", "b/deep"]
    first, second = page.text["td"][:5], page.text["td"][5:]
    assert first == ["graphmae", "default", "0.5000", "", "12.3"]
    assert second == ["graphmae", "wine", "0.6250", "0.2500", "12.3"]
    assert [tag for tag, _ in page.tags].count("svg") == 1
    (curve,) = [a["d"] for tag, a in page.tags if tag == "path" and "fill: none; stroke: #0072b2" in a.get("style", "")]
    heights = [float(point.split()[1]) for point in curve.replace("M", "").split("L")]
    steps = [1 - 1 / (step + 1) for step in range(5)]  # SVG counts downwards
    assert heights == pytest.approx([heights[0] + step * (heights[-1] - heights[0]) / 0.8 for step in steps], abs=1e-3)
    assert "seeds" not in page.text["caption"][0]


def test_a_run_may_be_called_anything(runs, tmp_path):
    (runs / "a").rename(runs / r"a $\frac$ & <b>")
    write_report(runs, tmp_path / "r.html")
    page = Page(tmp_path / "r.html")
    assert r"a $\frac$ & <b>" in page.text["th"]
    assert r"a $\frac$ & <b>" in "".join(page.text["svg"])


def test_what_a_study_keeps_for_itself_is_not_shown(runs, tmp_path):
    """After a study the report showed the runs of its cells in place of its records."""
    results = tmp_path / "results" / "graphs"
    write_records([example()], results / "cpu-cora.json")
    runs.rename((results / "cells").resolve())
    (results / "cells" / "cora-x-0.json").write_text('{"scores": {}}')
    assert write_report(tmp_path / "results", tmp_path / "r.html") == 1
    assert Page(tmp_path / "r.html").text["h2"] == ["cora (public split)"]
    assert write_report(results / "cells", tmp_path / "r.html") == 2


def test_nothing_to_show_is_said_and_the_old_page_stays(tmp_path):
    out = tmp_path / "r.html"
    out.write_text("old")
    with pytest.raises(UserError, match="absent is not a folder"):
        write_report(tmp_path / "absent", out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"holds no \.json file with results"):
        write_report(tmp_path / "empty", out)
    (tmp_path / "empty" / "none.json").write_text("[]")
    with pytest.raises(UserError, match="empty holds no result records"):
        write_report(tmp_path / "empty", out)
    assert out.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("result.json", '{"method": "gr', r"b/deep/result\.json is damaged"),
        (
            "result.json",
            "[]",
            r"b/deep/result\.json is not the result of a run: it lacks method, data, scores, seconds",
        ),
        ("result.json", '{"method": "m", "data": null, "seconds": 1}', r"b/deep/result\.json .* lacks scores"),
        ("metrics.csv", "no,such,columns\n1,2,3\n", r"b/deep/metrics\.csv is damaged"),
        ("metrics.csv", "step,epoch,name,value\n1,0,loss,0.5\n2,0,loss", r"b/deep/metrics\.csv is damaged"),
        ("metrics.csv", "step,epoch,name,value\n1,0,loss,much\n", r"b/deep/metrics\.csv is damaged"),
    ],
)
def test_a_damaged_run_is_named_and_the_old_page_stays(runs, tmp_path, name, content, message):
    out = tmp_path / "r.html"
    write_report(runs, out)
    before = out.read_bytes()
    (runs / "b" / "deep" / name).write_text(content)
    with pytest.raises(UserError, match=message):
        write_report(runs, out)
    assert out.read_bytes() == before


def test_a_damaged_record_is_named(tmp_path):
    write_records([example()], tmp_path / "a.json")
    (tmp_path / "a.json").write_text((tmp_path / "a.json").read_text()[:-20])
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        write_report(tmp_path, tmp_path / "r.html")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_page_that_cannot_be_written_is_named(runs, tmp_path):
    (tmp_path / "r.html").mkdir()
    with pytest.raises(OperationError, match=r"cannot write .*r\.html"):
        write_report(runs, tmp_path / "r.html")
