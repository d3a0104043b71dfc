import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from core.errors import UserError
from domains.tables.augment import SynonymAugmenter, read_synonyms


def many(augmenter: SynonymAugmenter, text: str) -> set[str]:
    return set(augmenter.values([text] * 300, np.random.default_rng(0)))


def test_words_phrases_and_case():
    augmenter = SynonymAugmenter()
    assert many(augmenter, "Acme Corporation") == {"Acme Corp"}
    assert many(augmenter, "ACME CORP.") == {"ACME CORPORATION"}
    assert many(augmenter, "head start, rogers park") == {"headstart rogers park"}
    assert many(augmenter, "robert") == {"bob", "rob"}
    assert many(augmenter, "Post Office Box 12") == {"Po box 12"}


def test_a_word_of_two_groups_has_all_others():
    assert many(SynonymAugmenter(), "st") == {"street", "str", "saint"}


def test_one_place_at_a_time():
    found = many(SynonymAugmenter(), "north main street")
    assert found == {"n main street", "north main st", "north main str"}


def test_unknown_words_and_numbers_stay():
    texts = ["xyzzy plugh", "10", "60601"]
    assert SynonymAugmenter().values(texts, np.random.default_rng(0)) == texts


def test_a_file_extends_the_dictionary(tmp_path: Path):
    path = tmp_path / "own.toml"
    path.write_text('own = [["xyzzy", "plugh"], ["street", "calle"]]\n', encoding="utf-8")
    augmenter = SynonymAugmenter(extra=path)
    assert many(augmenter, "xyzzy") == {"plugh"}
    assert many(augmenter, "street") == {"st", "str", "calle"}
    assert read_synonyms(path)["plugh"] == ("xyzzy",)
    assert many(SynonymAugmenter(), "xyzzy") == {"xyzzy"}  # the embedded one is as it was


def test_a_lookup_is_asked_where_the_dictionary_knows_nothing():
    asked: list[str] = []

    def lookup(word: str) -> list[str]:
        asked.append(word)
        return ["automobile"] if word == "car" else []

    augmenter = SynonymAugmenter(lookup=lookup)
    assert augmenter.values(["red Car", "main street"], np.random.default_rng(0))[0] == "red Automobile"
    assert asked == ["red", "car"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "TOML"),
        ('a = "street"', "a must be a list"),
        ('b = [["street"]]', "b must be a list"),
        ('c = [["street", 1]]', "c must be"),
        ('d = [["street", " "]]', "d must be"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, said: str):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as error:
        SynonymAugmenter(extra=path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.toml"):
        read_synonyms(tmp_path / "none.toml")


def test_the_embedded_dictionary_is_lower_case_and_without_repetition():
    lists = tomllib.loads(files("domains.tables.augment").joinpath("synonyms.toml").read_text(encoding="utf-8"))
    for groups in lists.values():
        for group in groups:
            assert len(set(group)) == len(group) > 1
            assert all(word == word.lower().strip() for word in group)
