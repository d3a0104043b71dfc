"""Column names that are all there and all different."""

from hypothesis import given
from hypothesis import strategies as st

from domains.tables.data.headers import unique_headers

NAMES = st.lists(
    st.sampled_from(["a", "b", "", " ", "a_2", "a_3", " a", "column_1", "column_2", "column_2_2"]), max_size=8
)


@given(NAMES)
def test_names_are_unique_and_those_of_the_file_stay(names):
    unique, notes = unique_headers(names)
    assert len(set(unique)) == len(unique) == len(names)
    assert all(unique)
    seen = set()
    for name, given_name in zip(names, unique, strict=True):
        if name.strip() and name.strip() not in seen:
            assert given_name == name.strip()
        seen.add(name.strip())
    assert len(notes) == sum(a != b for a, b in zip(names, unique, strict=True))
    assert unique_headers(unique) == (unique, [])
