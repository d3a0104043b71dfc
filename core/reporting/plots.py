"""Pictures from records and embeddings. Colours can be told apart by colour-blind readers."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from core.atomic import atomic_write
from core.errors import UserError
from core.reporting.records import ResultRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["embedding_map", "embedding_plot", "figure_svg", "growth_plot", "score_plot"]

# Okabe and Ito 2008
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MARKERS = "osD^v<>P"
_ROLE_COLOUR = {"method": PALETTE[0], "baseline": PALETTE[1], "untrained": PALETTE[1], "ablation": PALETTE[3]}
_TSNE_ROWS = 5000
# Names of data, systems and classes are text: two dollar signs in one do not make it a formula.
plain_text = mpl.rc_context({"text.parse_math": False})


@plain_text
def score_plot(records: Sequence[ResultRecord]) -> Figure:
    """Every seed of every system as a dot, the mean as a bar, published numbers as diamonds.

    Args:
        records: of one data set and one metric.
    """
    figure = Figure(figsize=(7.2, 0.9 + 0.34 * len(records)), layout="constrained")
    axes: Axes = figure.subplots()
    for row, record in enumerate(reversed(records)):
        colour = _ROLE_COLOUR[record.role]
        values = [value for value in record.values if value is not None]
        axes.scatter(values, [row] * len(values), s=26, color=colour, alpha=0.75, zorder=3)
        if record.mean is not None:
            axes.plot([record.mean] * 2, [row - 0.32, row + 0.32], color=colour, lw=2.2, zorder=4)
        if record.published and record.published.value is not None:
            face = PALETTE[5] if record.published.comparable else "none"
            axes.scatter(record.published.value, row, marker="D", s=34, facecolor=face, edgecolor=PALETTE[5], zorder=5)
    axes.set_yticks(range(len(records)), [r.system for r in reversed(records)])
    axes.set_xlabel(records[0].metric)
    axes.set_title(records[0].dataset, loc="left", fontsize=11)
    axes.grid(axis="x", color="#cccccc", lw=0.6)
    axes.set_ylim(-0.6, len(records) - 0.4)
    if any(r.published for r in records):
        axes.scatter([], [], marker="D", s=34, facecolor=PALETTE[5], edgecolor=PALETTE[5], label="published")
        axes.scatter(
            [], [], marker="D", s=34, facecolor="none", edgecolor=PALETTE[5], label="published, not comparable"
        )
        figure.legend(loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    return figure


def growth_plot(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, x: str, y: str, title: str) -> Figure:
    """Curves on two logarithmic axes, for example time or memory against N.

    Args:
        curves: x and y values by name.
        x: name of the horizontal axis, with its unit.
        y: name of the vertical axis, with its unit.
        title: of the picture.
    """
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    for number, (name, (xs, ys)) in enumerate(curves.items()):
        colour = PALETTE[number % len(PALETTE)]
        line = "-" if number < len(PALETTE) else "--"
        axes.plot(xs, ys, line, marker=_MARKERS[number % len(_MARKERS)], color=colour, lw=1.6, ms=5, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(color="#dddddd", lw=0.6)
    figure.legend(loc="outside right upper", fontsize=7.5, frameon=False)
    return figure


@plain_text
def embedding_plot(
    embeddings: NDArray[Any], labels: Sequence[str | None] | None, path: Path, *, title: str, seed: int = 0
) -> None:
    """A 2-D map of embeddings as a PNG file: t-SNE to 5,000 rows, beyond that the first two principal components.

    Args:
        embeddings: (n, d), at least 3 rows.
        labels: a name per row, or None; at most 16 classes get a colour and marker each.
        path: the file, replaced if it exists.
        title: of the picture.
        seed: of t-SNE.

    Raises:
        UserError: too few rows to draw.
        OperationError: the file cannot be written.
    """
    if len(embeddings) < 3:
        raise UserError(f"a picture needs at least 3 embeddings, got {len(embeddings)}")
    points, how = embedding_map(embeddings, seed=seed)
    figure = Figure(figsize=(7.4, 5.6), layout="constrained")
    axes = figure.subplots()
    names = sorted({n for n in labels if n is not None}) if labels is not None else []
    if not 1 <= len(names) <= 16:
        axes.scatter(points[:, 0], points[:, 1], s=9, color=PALETTE[0], alpha=0.6, linewidths=0)
    else:
        owner = np.array([n if n is not None else "" for n in labels or ()])
        axes.scatter(points[owner == "", 0], points[owner == "", 1], s=7, color="#bbbbbb", linewidths=0)
        for number, name in enumerate(names):
            colour, marker = PALETTE[number % 8], _MARKERS[(number + number // 8) % len(_MARKERS)]
            x, y = points[owner == name].T
            axes.scatter(x, y, s=12, color=colour, marker=marker, alpha=0.7, lw=0, label=name)
        figure.legend(loc="outside right upper", fontsize=8, frameon=False, markerscale=1.8, title="class")
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(f"{how} 1")
    axes.set_ylabel(f"{how} 2")
    axes.set_xticks([])
    axes.set_yticks([])
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png", dpi=140)


def embedding_map(embeddings: NDArray[Any], *, seed: int = 0) -> tuple[NDArray[Any], str]:
    """Embeddings laid out in the plane: t-SNE for 3 to 5,000 rows, else the first two principal components.

    Args:
        embeddings: (n, d), at least 1 row.
        seed: of t-SNE.

    Returns:
        (n, 2) points, and the name of the axes. Rows that are all equal lie at the origin.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = np.asarray(embeddings, dtype=np.float64)
    if (x == x[0]).all():
        return np.zeros((len(x), 2)), "principal component"
    start = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    if not 3 <= len(x) <= _TSNE_ROWS or start.shape[1] < 2:
        flat = start if start.shape[1] > 1 else np.column_stack([start, np.zeros(len(start))])
        return flat[:, :2], "principal component"
    perplexity = min(30.0, (len(x) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(start), "t-SNE"


def figure_svg(figure: Figure) -> str:
    """The figure as SVG text without a date, so that the same data give the same bytes."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "counterpoint", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
