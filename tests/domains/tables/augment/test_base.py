from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from domains.tables.augment import (
    AttributeDropout,
    AttributeShuffle,
    Augmenter,
    Compose,
    SemanticAugmenter,
    SynonymAugmenter,
    TypoAugmenter,
    ValueAugmenter,
    WordAugmenter,
)
from domains.tables.augment.base import is_number
from domains.tables.methods.value_perturbation import ValuePerturbation

RECORD = {"name": "Acme Corporation", "street": "12 Main Street", "zip": "60601", "note": None}


def every_augmenter() -> list[Augmenter]:
    kinds: list[Augmenter] = [
        TypoAugmenter(),
        WordAugmenter(),
        SynonymAugmenter(),
        SemanticAugmenter(),
        AttributeDropout(),
        AttributeShuffle(0.9),
        ValuePerturbation(semantic=SemanticAugmenter()),
    ]
    return [*kinds, Compose(kinds, choose=2)]


@pytest.mark.parametrize("augmenter", every_augmenter(), ids=lambda a: type(a).__name__)
class TestEveryAugmenter:
    def test_a_seed_gives_the_same_record_and_another_one_in_time(self, augmenter: Augmenter):
        first = [augmenter(RECORD, np.random.default_rng(seed)) for seed in range(30)]
        assert first == [augmenter(RECORD, np.random.default_rng(seed)) for seed in range(30)]
        assert any(record != first[0] for record in first)

    def test_the_input_is_left_alone(self, augmenter: Augmenter):
        cells = np.array([list(RECORD.values())] * 5, dtype=object)
        before = cells.copy()
        augmenter.rows(cells, np.random.default_rng(0))
        assert np.array_equal(cells, before)

    def test_never_a_row_without_values(self, augmenter: Augmenter):
        cells = np.array([["a", None], [None, "7"], ["b c", "12"]] * 200, dtype=object)
        changed = augmenter.rows(cells, np.random.default_rng(0))
        assert changed.shape == cells.shape
        assert pd.notna(changed).any(axis=1).all()
        assert all(value is None or value.strip() for value in changed.ravel())

    def test_rows_without_values_and_tables_without_rows_or_columns_pass(self, augmenter: Augmenter):
        rng = np.random.default_rng(0)
        assert (augmenter.rows(np.full((3, 2), None, dtype=object), rng) == np.full((3, 2), None)).all()
        for shape in ((0, 3), (4, 0)):
            assert augmenter.rows(np.empty(shape, dtype=object), rng).shape == shape

    def test_missing_may_be_any_missing_value(self, augmenter: Augmenter):
        cells = np.array([["Acme Corporation", pd.NA, np.nan, None]] * 20, dtype=object)
        changed = augmenter.rows(cells, np.random.default_rng(0))
        assert (pd.notna(changed).sum(axis=1) == 1).all()


class Loud(ValueAugmenter):
    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        return [text.upper() for text in texts]


def test_the_share_of_changed_values():
    cells = np.full((20_000, 4), "a", dtype=object)
    changed = Loud(0.3).rows(cells, np.random.default_rng(0)) == "A"
    # each with 0.3, and where none is drawn (0.7^4) one
    assert changed.mean() == pytest.approx(0.3 + 0.7**4 / 4, abs=0.01)
    assert changed.any(axis=1).all()


def test_rate_zero_still_changes_one_value():
    changed = Loud(0.0).rows(np.array([["a", "b", None]] * 50, dtype=object), np.random.default_rng(0))
    assert (np.array([[v is not None and v.isupper() for v in row] for row in changed]).sum(axis=1) == 1).all()


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float):
    for kind in (TypoAugmenter, WordAugmenter, SynonymAugmenter, SemanticAugmenter, AttributeDropout, AttributeShuffle):
        with pytest.raises(ValueError, match="rate"):
            kind(rate)


@pytest.mark.parametrize(
    ("text", "number"),
    [("60601", True), ("3.5%", True), ("-12", True), ("2012-05-01", True), ("12b", False), ("--", False), ("٣", True)],
)
def test_what_a_number_is(text: str, number: bool):
    assert is_number(text) is number
