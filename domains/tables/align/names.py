"""How alike the names of columns are: tokens, abbreviations and a small table of synonyms."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.process import cdist
from scipy.sparse import csr_array

__all__ = ["name_similarity", "name_tokens"]

# One canonical form for names that mean one thing. Longer phrases are replaced first.
_PHRASES = {
    ("first", "name"): "given", ("given", "name"): "given", ("forename",): "given", ("fname",): "given",
    ("last", "name"): "surname", ("family", "name"): "surname", ("lname",): "surname",
    ("zip", "code"): "postcode", ("postal", "code"): "postcode", ("post", "code"): "postcode", ("zip",): "postcode",
    ("plz",): "postcode", ("zipcode",): "postcode",
    ("date", "of", "birth"): "birthdate", ("birth", "date"): "birthdate", ("dob",): "birthdate", ("born",): "birthdate",
    ("birthday",): "birthdate",
    ("telephone",): "phone", ("tel",): "phone", ("mobile",): "phone",
    ("e", "mail"): "email", ("mail",): "email",
    ("web", "site"): "url", ("website",): "url", ("homepage",): "url", ("link",): "url",
    ("town",): "city", ("province",): "state", ("nation",): "country",
    ("organisation",): "company", ("organization",): "company", ("firm",): "company",
    ("brand",): "manufacturer", ("maker",): "manufacturer", ("vendor",): "manufacturer",
    ("cost",): "price", ("sex",): "gender", ("remark",): "comment", ("note",): "comment",
    ("journal",): "venue", ("writer",): "author", ("genre",): "category", ("kind",): "type",
    ("duration",): "length", ("desc",): "description", ("details",): "description",
}  # fmt: skip
_ABBREVIATIONS = {
    "addr": "address", "adr": "address", "amt": "amount", "avg": "average", "cat": "category", "co": "company",
    "ctry": "country", "descr": "description", "dept": "department", "dt": "date", "lat": "latitude",
    "lng": "longitude", "lon": "longitude", "mfr": "manufacturer", "mfg": "manufacturer", "mgr": "manager",
    "nbr": "number", "no": "number", "nr": "number", "num": "number", "org": "organisation", "ph": "phone",
    "pos": "position", "prod": "product", "pub": "published", "qty": "quantity", "ref": "reference",
    "sched": "scheduled",
    "ssn": "social", "st": "street", "tm": "time", "ttl": "title", "txt": "text", "vol": "volume", "yr": "year",
}  # fmt: skip
# These stand in names of all kinds of columns, so sharing one says little.
_GENERIC = {
    "name",
    "id",
    "number",
    "code",
    "date",
    "time",
    "type",
    "value",
    "text",
    "key",
    "per",
    "of",
    "the",
    "in",
    "is",
}
_GENERIC_WEIGHT = 0.35
_EMPTY = re.compile(r"(unnamed|column|columns|col|field|attribute|attr|var|variable|feature|c|f|v|x)?\s*\d*")
_NEAR = 0.8  # tokens less alike than this share nothing
_PREFIX = 0.85  # "manuf" for "manufacturer"


def name_tokens(name: str) -> tuple[str, ...]:
    """Words of a column's name in a canonical form; empty where the name says nothing ("Column 7", "Unnamed: 0").

    Case, accents, punctuation and camelCase are undone; abbreviations are written out; synonyms become one word.

    >>> name_tokens("Zip_Code"), name_tokens("prodQty"), name_tokens("Unnamed: 0")
    (('postcode',), ('product', 'quantity'), ())
    """
    words = [_singular(_ABBREVIATIONS.get(word, word)) for word in _words(name)]
    tokens: list[str] = []
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            canonical = _PHRASES.get(tuple(words[at : at + length]))
            if canonical is not None and at + length <= len(words):
                tokens.append(canonical)
                at += length
                break
        else:
            tokens.append(words[at])
            at += 1
    return tuple(dict.fromkeys(tokens))


def _words(name: str) -> list[str]:
    """Words and numbers of a name as written, without case and accents; none if it says nothing."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    words = re.findall(r"[^\W\d_]+|\d+", plain)
    return [] if _EMPTY.fullmatch(" ".join(words)) else words


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def name_similarity(names: Sequence[str]) -> NDArray[np.float64]:
    """How alike all names are.

    For names A and B with token weights w and token likeness s,

        similarity = (sum_{a in A} w_a max_{b in B} s(a, b) + sum_{b in B} w_b max_{a in A} s(a, b)) / (w(A) + w(B)).

    s is 1 minus the normalised Damerau-Levenshtein distance, 0 below 0.8, and at least 0.85 where one token of three or
    more letters begins the other, or both have the same consonants. w is 1, and 0.35 for words that stand in names of
    all kinds, such as "name" or "id". Where s of the names written as one word is larger ("sitename"), it counts.

    Args:
        names: c names.

    Returns:
        ``(c, c)`` in [0, 1], symmetric; NaN where one of the names says nothing.
    """
    distinct = list(dict.fromkeys(names))
    position = {name: i for i, name in enumerate(distinct)}
    tokens = [name_tokens(name) for name in distinct]
    vocabulary = sorted({token for one in tokens for token in one})
    index = {token: i for i, token in enumerate(vocabulary)}
    weight = np.array([_GENERIC_WEIGHT if token in _GENERIC else 1.0 for token in vocabulary])
    likeness = _token_likeness(vocabulary)
    best = np.zeros((len(vocabulary), len(distinct)))  # of each token, its nearest token in each name
    for j, one in enumerate(tokens):
        if one:
            best[:, j] = likeness[:, [index[token] for token in one]].max(axis=1)
    rows = np.repeat(np.arange(len(distinct)), [len(one) for one in tokens])
    columns = np.array([index[token] for one in tokens for token in one], dtype=np.int64)
    holds = csr_array((weight[columns], (rows, columns)), shape=(len(distinct), len(vocabulary)))
    covered = holds @ best
    total = np.asarray(holds.sum(axis=1)).ravel()
    both = total[:, None] + total[None, :]
    known = (total[:, None] > 0) & (total[None, :] > 0)
    similarity = np.divide(covered + covered.T, both, out=np.full(both.shape, np.nan), where=known)
    joined = ["".join(_words(name)) for name in distinct]
    words = sorted(set(joined))
    at = np.searchsorted(np.array(words), np.array(joined))
    similarity = np.where(known, np.maximum(similarity, _token_likeness(words)[np.ix_(at, at)]), np.nan)
    given = np.array([position[name] for name in names], dtype=np.int64)
    return np.minimum(similarity, 1.0)[np.ix_(given, given)]


def _token_likeness(vocabulary: list[str]) -> NDArray[np.float64]:
    if not vocabulary:
        return np.zeros((0, 0))
    near = np.array(cdist(vocabulary, vocabulary, scorer=DamerauLevenshtein.normalized_similarity), dtype=np.float64)
    near[near < _NEAR] = 0.0
    digits = np.array(["".join(filter(str.isdigit, token)) for token in vocabulary])
    other = digits[:, None] != digits[None, :]  # "address2" is not nearly "address1"
    skeletons: dict[str, list[int]] = {}
    for i, token in enumerate(vocabulary):  # sorted: what begins with the token follows it
        skeletons.setdefault(_consonants(token), []).append(i)
        j = i + 1
        while len(token) >= 3 and j < len(vocabulary) and vocabulary[j].startswith(token):
            near[i, j] = near[j, i] = max(near[i, j], _PREFIX)
            j += 1
    for skeleton, alike in skeletons.items():
        if len(skeleton) >= 2 and len(alike) > 1:
            block = np.ix_(alike, alike)
            near[block] = np.maximum(near[block], _PREFIX)
    near[other] = 0.0
    return near


def _consonants(word: str) -> str:
    return word[:1] + re.sub("[aeiou]", "", word[1:])
