"""Generated persons: counts, errors one by one, the stated frequencies."""

import numpy as np
import pytest
from rapidfuzz.distance import OSA

from core.errors import UserError
from domains.tables.data.person_names import given_names, streets, suburbs, surnames
from domains.tables.data.persons import FIELDS, persons
from domains.tables.data.text_errors import misheard, misread, mistyped

WORDS = np.array(["smith", "a", "", "phillip", "4", "2750", "xx", "holden crescent"] * 200, dtype="S")


def test_counts_and_labels():
    table, labels = persons(2000, duplicates=0.3, seed=3)
    assert table.columns == list(FIELDS)
    assert (len(table), labels.shape, int(labels.max()) + 1) == (2000, (2000,), 1400)
    sizes = np.bincount(labels)
    assert (sizes.min(), sizes.max()) == (1, 6)
    first = np.unique(labels, return_index=True)[1]
    assert (np.diff(first) > 0).all()
    assert (table.sources, table.row.tolist()) == (["persons"], list(range(2000)))


@pytest.mark.parametrize(("share", "most"), [(0.0, 5), (0.5, 1), (5 / 6, 5), (0.75, 3)])
def test_every_share_up_to_the_most_is_met(share, most):
    _, labels = persons(600, duplicates=share, most_duplicates=most)
    sizes = np.bincount(labels)
    assert len(sizes) == 600 - round(600 * share)
    assert sizes.max() <= most + 1


def test_the_seed_is_all_that_counts():
    one, other, third = persons(500, seed=1), persons(500, seed=1), persons(500, seed=2)
    assert one[0].frame.equals(other[0].frame)
    assert (one[1] == other[1]).all()
    assert not one[0].frame.equals(third[0].frame)


def test_duplicates_are_near_their_originals_and_nobody_else():
    table, labels = persons(3000, most_errors=2, seed=5)
    frame = table.frame.fillna("")
    order = np.argsort(labels, kind="stable")
    same = labels[order[1:]] == labels[order[:-1]]
    differ = (frame.to_numpy()[order[1:]] != frame.to_numpy()[order[:-1]]).sum(axis=1)
    assert differ[same].max() <= 4 * 2  # two copies of one original, each with two errors of two fields at most
    assert differ[same].mean() < 3
    assert differ[~same].mean() > 5.5


def test_numbers_of_errors_are_equally_likely():
    def fields_hit(most):
        table, labels = persons(20_000, duplicates=0.5, most_duplicates=1, most_errors=most, seed=1)
        order = np.argsort(labels, kind="stable").reshape(-1, 2)
        cells = table.frame.fillna("").to_numpy()
        return (cells[order[:, 0]] != cells[order[:, 1]]).sum(axis=1)

    one = fields_hit(1)
    assert one.max() == 2  # exchanged
    assert one.mean() == pytest.approx(0.95, abs=0.06)  # an exchange hits two, an empty field or equal letters none
    # 1, 2 or 3 errors: 2 on average, fewer fields where two errors hit one
    assert fields_hit(3).mean() == pytest.approx(2 * 0.95 * 0.92, abs=0.1)


def test_frequencies_are_the_stated_ones():
    table, _ = persons(60_000, duplicates=0, seed=0)
    ranks = {name.decode(): rank for rank, name in enumerate(given_names())}
    counts = np.bincount(table.frame["given_name"].dropna().map(ranks).astype(int), minlength=len(ranks))
    expected = 1 / (np.arange(len(ranks)) + 2.7)
    expected *= counts.sum() / expected.sum()
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < len(ranks) + 5 * np.sqrt(2 * len(ranks))
    missing = table.frame.isna().mean()
    for field, (share, _) in FIELDS.items():
        assert missing[field] == pytest.approx(share, abs=0.005)
    assert table.frame["date_of_birth"].dropna().str.fullmatch(r"(19[2-9]\d|200[0-6])(0[1-9]|1[0-2])\d\d").all()
    towns, codes = suburbs()
    code_of = dict(zip(towns.astype(str), codes.astype(str), strict=True))
    both = table.frame[["suburb", "postcode"]].dropna()
    assert (both["suburb"].map(code_of) == both["postcode"]).all()


def test_name_lists_are_large_and_without_repeats():
    for names, least in ((given_names(), 250), (surnames(), 40_000), (streets(), 20_000), (suburbs()[0], 7_000)):
        assert len(names) == len(set(names.tolist())) >= least
        assert all(name.strip() == name for name in names.astype(str))


def test_a_slip_of_the_keyboard_is_one_edit():
    made = mistyped(WORDS, np.random.default_rng(0))
    distances = np.array([OSA.distance(a.decode(), b.decode()) for a, b in zip(WORDS, made, strict=True)])
    assert (distances[WORDS == b""] == 0).all()
    assert distances.max() == 1
    assert (distances[WORDS != b""] == 1).mean() > 0.85  # two equal letters change places without a trace
    lengths = np.char.str_len(made) - np.char.str_len(WORDS)
    assert set(lengths.tolist()) == {-1, 0, 1}
    assert (np.char.str_len(made)[WORDS != b""] >= 1).all()
    assert np.char.isdigit(made[np.char.isdigit(WORDS)]).all()


def test_a_glyph_is_replaced_by_one_like_it():
    made = misread(WORDS, np.random.default_rng(0))
    assert (np.char.str_len(made) == np.char.str_len(WORDS)).all()
    assert all(sum(x != y for x, y in zip(a, b, strict=True)) <= 1 for a, b in zip(WORDS, made, strict=True))
    assert {b"s", b"5"} >= {bytes([word[0]]) for word in made[WORDS == b"smith"]}
    assert (made[WORDS == b"xx"] == b"xx").all()


def test_sounds_are_written_otherwise():
    made = misheard(WORDS, np.random.default_rng(0))
    assert b"fillip" in made[WORDS == b"phillip"]
    assert (made[WORDS == b"smith"] != b"smith").all()
    assert (made[WORDS == b"2750"] == b"2750").all()


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"duplicates": 1.0},
        {"duplicates": -0.1},
        {"most_duplicates": 6},
        {"most_errors": 0},
        {"duplicates": 0.9},
    ],
)
def test_messages(options):
    with pytest.raises(UserError, match=r"persons need count >= 1|originals have at most"):
        persons(**{"count": 100, **options})


def test_one_person():
    table, labels = persons(1, duplicates=0)
    assert (len(table), labels.tolist()) == (1, [0])
