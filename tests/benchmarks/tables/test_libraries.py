"""The embedded files as the study reads them."""

import pytest

from benchmarks.tables.libraries import plain, read_libraries


@pytest.mark.parametrize(
    ("column", "least"), [("name", 0.4), ("postcode", 0.8), ("town", 0.8), ("phone", 0.7), ("website", 0.6)]
)
def test_each_column_holds_what_its_name_says(column, least):
    data = read_libraries()
    value = data.plain.frame[column]
    true = data.gold[column].iloc[data.labels].reset_index(drop=True)
    both = value.notna() & true.notna()
    assert value[both].eq(true[both]).mean() > least
    assert both.sum() > 100


def test_spellings_made_on_purpose_are_alike_and_others_are_not():
    data = read_libraries()
    assert len(data.labels) == len(data.union) == 279
    spelled = data.gold["phone"].dropna()
    assert plain("phone", spelled).equals(spelled)  # already alike
    assert spelled.str.fullmatch(r"[1-9]\d+").all()
