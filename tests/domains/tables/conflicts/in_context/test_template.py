from domains.tables.conflicts.in_context.template import demonstration, query


def test_sentences():
    known = [("city", "Ulm"), ("zip", "89 073\nx")]
    assert query(known, "state") == (
        "For a tuple, if the value of attribute city is Ulm, the attribute zip is 89 073 x, then the value of the "
        "attribute state should be"
    )
    assert demonstration(known[:1], "state", "BW") == (
        "For a tuple, if the value of attribute city is Ulm, then the value of the attribute state should be BW."
    )
    assert query([], "state") == "For a tuple, the value of the attribute state should be"
