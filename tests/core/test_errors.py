"""The two errors and the message for a name that is not known."""

import pytest

from core.errors import OperationError, UserError, unknown_name


def test_a_library_caller_may_catch_them_without_knowing_this_package():
    assert issubclass(UserError, ValueError)
    assert issubclass(OperationError, RuntimeError)
    assert not issubclass(OperationError, ValueError)


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("infonce", ["info_nce", "dcl"], "unknown loss 'infonce'; did you mean 'info_nce'? known: dcl, info_nce"),
        ("Info-NCE", ["dcl", "info_nce"], "unknown loss 'Info-NCE'; did you mean 'info_nce'? known: dcl, info_nce"),
        ("imdbbinary", ["IMDB-BINARY"], "unknown loss 'imdbbinary'; did you mean 'IMDB-BINARY'? known: IMDB-BINARY"),
        ("zzz", ["dcl", "info_nce"], "unknown loss 'zzz'; known: dcl, info_nce"),
        ("", ["dcl"], "unknown loss ''; known: dcl"),
        ("dcl", [], "unknown loss 'dcl'; known: none"),
    ],
)
def test_the_nearest_name_is_proposed_and_all_are_listed(name, known, message):
    error = unknown_name("loss", name, iter(known))
    assert isinstance(error, UserError)
    assert str(error) == message
