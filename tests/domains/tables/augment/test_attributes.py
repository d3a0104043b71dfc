import numpy as np
import pytest

from domains.tables.augment import AttributeDropout, AttributeShuffle, Compose


def table(rows: int = 4000, width: int = 4) -> np.ndarray:
    cells = np.array([[f"{r}.{c}" for c in range(width)] for r in range(rows)], dtype=object)
    cells[np.random.default_rng(1).random(cells.shape) < 0.3] = None
    return cells


def test_dropout_leaves_all_other_cells_alone():
    cells = table()
    changed = AttributeDropout(0.5).rows(cells, np.random.default_rng(0))
    kept = changed != None  # noqa: E711  (element by element)
    assert (changed[kept] == cells[kept]).all()
    had, has = (cells != None).sum(axis=1), kept.sum(axis=1)  # noqa: E711
    assert (has[had > 0] >= 1).all()
    assert (has[had == 0] == 0).all()
    many = had == 4
    # each goes with 0.5; where all four would go, the last to go stays
    assert (4 - has[many]).mean() == pytest.approx(4 * 0.5 - 0.5**4, abs=0.1)


def test_dropout_at_zero_changes_nothing():
    cells = table(50)
    assert (AttributeDropout(0.0).rows(cells, np.random.default_rng(0)) == cells).all()


def test_shuffle_keeps_the_values_of_a_row():
    cells = table()
    changed = AttributeShuffle(0.5).rows(cells, np.random.default_rng(0))
    moved = (changed != cells).sum(axis=1)
    assert set(moved.tolist()) == {0, 2}
    assert all(sorted(a, key=str) == sorted(b, key=str) for a, b in zip(cells.tolist(), changed.tolist(), strict=True))
    full = (cells != None).any(axis=1)  # noqa: E711
    assert (moved[full] == 2).mean() == pytest.approx(0.5, abs=0.03)


def test_shuffle_of_one_column_changes_nothing():
    cells = table(width=1)
    assert (AttributeShuffle(0.9).rows(cells, np.random.default_rng(0)) == cells).all()


def test_compose_goes_through_all_parts_in_order_or_some():
    drop, move = AttributeDropout(0.9), AttributeShuffle(0.9)
    cells = table(2000)
    both = Compose([drop, move]).rows(cells, np.random.default_rng(0))
    one = Compose([drop, move], choose=1).rows(cells, np.random.default_rng(0))
    had = (cells != None).sum(axis=1)  # noqa: E711
    lost = {name: ((found != None).sum(axis=1) < had)[had > 1].mean() for name, found in (("both", both), ("one", one))}  # noqa: E711
    assert lost["both"] > 0.9
    assert lost["one"] == pytest.approx(0.5, abs=0.06)


def test_compose_needs_parts():
    with pytest.raises(ValueError, match="parts"):
        Compose([])
    with pytest.raises(ValueError, match="choose"):
        Compose([AttributeDropout()], choose=2)
