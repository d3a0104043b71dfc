"""Made duplicates: half of their values are said otherwise, a tenth goes missing, the originals stay."""

import numpy as np
import pytest

from domains.tables.blocking.made import with_made_duplicates
from domains.tables.data.persons import persons


def test_copies_have_errors_and_gaps():
    table, _ = persons(400, duplicates=0)
    joined, rows = with_made_duplicates(table, 300, np.random.default_rng(0))
    before = table.frame.iloc[rows].reset_index(drop=True)
    after = joined.frame.iloc[len(table) :].reset_index(drop=True)
    assert joined.frame.iloc[: len(table)].equals(table.frame)
    there = before.notna()
    assert float((after.isna() & there).sum().sum() / there.sum().sum()) == pytest.approx(0.1, abs=0.03)
    kept = there & after.notna()
    assert 0.35 < float(((before != after) & kept).sum().sum() / kept.sum().sum()) < 0.55
