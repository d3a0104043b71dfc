"""Pictures are real files, and what is drawn are the values of the records."""

import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from core.errors import OperationError, UserError
from core.reporting import Published
from core.reporting.plots import embedding_plot, figure_svg, growth_plot, score_plot
from tests.core.reporting.example import example

SVG = "{http://www.w3.org/2000/svg}"
RECORDS = [
    example(system="Ours <1> & more", values=(83.0, 84.0, 85.0)),
    example(
        system="below", role="baseline", mean=70.0, published=Published(71.0, "p", False, "w"), values=(69.0, 71.0)
    ),
    example(system="untrained", role="untrained", mean=50.0, std=None, values=(50.0,), published=None),
]


def texts(svg):
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_every_seed_is_a_dot_every_mean_a_bar():
    (axes,) = score_plot(RECORDS).axes
    rows = {label.get_text(): place for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}
    assert sorted(rows, key=rows.get) == ["untrained", "below", "Ours <1> & more"]
    dots = [tuple(map(tuple, collection.get_offsets().tolist())) for collection in axes.collections]
    bars = [tuple(map(tuple, line.get_xydata().tolist())) for line in axes.lines]
    for record in RECORDS:
        assert tuple((value, rows[record.system]) for value in record.values) in dots
        (bar,) = [b for b in bars if (b[0][1] + b[1][1]) / 2 == pytest.approx(rows[record.system])]
        assert bar[0][0] == bar[1][0] == record.mean
    assert ((84.2, rows["Ours <1> & more"]),) in dots
    assert ((71.0, rows["below"]),) in dots
    assert axes.get_xlabel() == "accuracy %"
    assert axes.get_title(loc="left") == "cora"


def test_published_numbers_are_explained_only_where_there_are_some():
    legends = [figure.legends for figure in (score_plot(RECORDS), score_plot(RECORDS[2:]))]
    assert [text.get_text() for text in legends[0][0].get_texts()] == ["published", "published, not comparable"]
    assert legends[1] == []


def test_svg_is_well_formed_and_says_the_names():
    svg = figure_svg(score_plot(RECORDS))
    assert svg.startswith("<svg")
    found = texts(svg)
    for text in ("Ours <1> & more", "below", "untrained", "accuracy %", "cora", "published"):
        assert text in found
    root = ElementTree.fromstring(svg)
    assert len(list(root.iter(f"{SVG}use"))) >= sum(len(record.values) for record in RECORDS)
    assert "<script" not in svg


def test_the_same_records_give_the_same_bytes():
    first = figure_svg(score_plot(RECORDS))
    with mpl.rc_context({"svg.hashsalt": None, "svg.fonttype": "path"}):
        assert figure_svg(score_plot(RECORDS)) == first
    assert figure_svg(score_plot(RECORDS[:2])) != first


@pytest.mark.parametrize("name", ["$5-$10", r"a $\frac$ b", "one $ only"])
def test_a_dollar_is_a_dollar(name):
    """Two of them were taken for a formula: set in italics, or the end of the picture if it was none."""
    assert texts(figure_svg(score_plot([example(system=name, dataset=name)]))).count(name) == 2


def test_classes_and_titles_with_dollars_do_not_end_the_picture(tmp_path):
    labels = [r"a $\frac$ b", "$5-$10"] * 5
    embedding_plot(np.random.default_rng(0).normal(size=(10, 3)), labels, tmp_path / "a.png", title=labels[0])
    assert len(colours(tmp_path / "a.png")) > 2


def test_growth_is_drawn_on_two_logarithmic_axes():
    curves = {"tiled": ([256, 512, 1024], [1.0, 3.9, 16.1]), "plain": ([256, 512], [2.0, 9.0])}
    figure = growth_plot(curves, x="N", y="ms", title="time")
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "log", "N", "ms")
    for line, (name, (xs, ys)) in zip(axes.lines, curves.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([xs, ys]))
    assert len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 2
    found = texts(figure_svg(figure))
    assert {"tiled", "plain", "N", "ms", "time"} <= set(found)


def clouds(rows, width, seed=0):
    generator = np.random.default_rng(seed)
    owner = np.arange(rows) % 3
    return generator.normal(size=(rows, width)) + 8 * np.eye(3, width)[owner], [f"class {i}" for i in owner]


def colours(path):
    """The colours of a PNG file, (n, 3)."""
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    image = imread(path)
    assert image.shape[0] > 300
    assert image.shape[1] > 300
    red, green, blue = (image[..., :3] * 255).round().astype(int).reshape(-1, 3).T
    found = np.unique(red * 2**16 + green * 2**8 + blue)
    return np.stack([found >> 16, (found >> 8) & 255, found & 255], axis=1)


def has(found, colour):
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return bool((np.abs(found - (0.7 * wanted + 0.3 * 255)).max(axis=1) <= 2).any())


def test_embeddings_become_a_picture_with_a_colour_for_each_class(tmp_path):
    x, labels = clouds(30, 5)
    embedding_plot(x, labels, tmp_path / "deep" / "a.png", title="three clouds")
    found = colours(tmp_path / "deep" / "a.png")
    assert all(has(found, colour) for colour in ("#0072B2", "#E69F00", "#009E73"))
    assert not has(found, "#CC79A7")
    embedding_plot(x, labels, tmp_path / "b.png", title="three clouds")
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "deep" / "a.png").read_bytes()
    embedding_plot(x, [None, *labels[1:]], tmp_path / "d.png", title="three clouds")
    assert [187, 187, 187] in colours(tmp_path / "d.png").tolist()


@pytest.mark.parametrize(
    ("rows", "width", "labels"),
    [(3, 1, None), (40, 4, [f"own {i}" for i in range(40)]), (12, 3, [None] * 12)],
)
def test_few_rows_one_column_no_classes_or_too_many(tmp_path, rows, width, labels):
    x = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    embedding_plot(x, labels, tmp_path / "a.png", title="small")
    assert len(colours(tmp_path / "a.png")) > 2


def test_many_rows_are_shown_by_their_principal_components(tmp_path):
    """Beyond 5,000 rows t-SNE would take minutes; the components do not depend on its seed."""
    x, labels = clouds(5001, 3)
    embedding_plot(x, labels, tmp_path / "a.png", title="many")
    embedding_plot(x, labels, tmp_path / "b.png", title="many", seed=1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert has(colours(tmp_path / "a.png"), "#0072B2")


def test_too_few_rows_and_a_folder_in_the_way_are_named(tmp_path):
    with pytest.raises(UserError, match="a picture needs at least 3 embeddings, got 2"):
        embedding_plot(np.zeros((2, 4)), None, tmp_path / "a.png", title="t")
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OperationError, match=r"cannot write .*a\.png"):
        embedding_plot(np.eye(4), None, tmp_path / "a.png", title="t")
    assert [p.name for p in tmp_path.rglob("*")] == ["a.png"]
