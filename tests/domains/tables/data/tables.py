"""Tables of any text, and what they are after reading."""

import pandas as pd
from hypothesis import strategies as st

# no half surrogates: they are no text; the rest of Unicode, with what CSV, XML and JSON treat specially put in often
CELL = st.one_of(
    st.none(),
    st.sampled_from(
        ["", " ", "007", "a,b", 'say "hi"', '"', '""', "x\ny", "x\r\ny", "x\ry", "=1+1", "-5", "\t", ";", "|", "NA",
         "null", "1.50", "\u00e9", "e\u0301", "\u05e9\u05dc", "\ufeff", "\x00", "_x000D_",
         "\u2028", "'", "\\", "\U0001f600"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)  # fmt: skip


@st.composite
def frames(draw, min_columns=1, max_columns=4, max_rows=6):
    width = draw(st.integers(min_columns, max_columns))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), max_size=max_rows))
    return frame_of(rows, [f"c{i}" for i in range(width)])


def frame_of(rows, names):
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pd.DataFrame({n: pd.Series(list(c), dtype="string") for n, c in zip(names, columns, strict=True)})


def as_read(frame):
    """White space alone is missing."""
    return [
        [None if pd.isna(v) or not v.strip() else v for v in row] for row in frame.astype(object).to_numpy().tolist()
    ]


def cells(frame):
    return [[None if pd.isna(v) else v for v in row] for row in frame.astype(object).to_numpy().tolist()]
