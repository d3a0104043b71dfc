"""Domains and studies come through entry points: ours resolve whole, others can be added, broken ones are named."""

import dataclasses

import pytest

from core.cli.main import main
from core.data import catalogue, find
from core.errors import UserError
from core.plugins import Benchmark, Command, Domain, benchmarks, domain, domains
from core.registry import Registry, resolve
from core.training import Method, MethodSettings

DOMAINS, STUDIES = "counterpoint.domains", "counterpoint.benchmarks"
SHELF = """
from core.plugins import Domain
from core.registry import Registry
METHODS = Registry("shelf method")
DOMAIN = Domain("shelf", "books on a shelf", "bookshelf:METHODS", "bookshelf:Task", "bookshelf")
"""


@pytest.mark.parametrize("name", list(domains()))
def test_what_an_installed_domain_promises_is_there(name):
    one = domain(name)
    assert one.name == name
    assert one.summary
    methods = resolve(one.methods)
    assert isinstance(methods, Registry)
    assert len(methods) > 0
    for entry in methods:
        assert issubclass(methods.get(entry.name), Method)
        assert methods.get(entry.name).name == entry.name
        assert issubclass(methods.settings(entry.name), MethodSettings)
        assert dataclasses.fields(methods.settings(entry.name))
        assert entry.summary
    assert callable(resolve(one.task))
    words = [command.name for command in one.commands]
    assert len(set(words)) == len(words)
    assert "train" not in words  # an evaluate of its own does more than the one of every domain
    for command in one.commands:
        assert isinstance(command, Command)
        assert callable(resolve(command.target))
        assert command.summary
        assert command.example.startswith(f"counterpoint {name} {command.name}")


@pytest.mark.parametrize("name", list(benchmarks()))
def test_what_an_installed_study_promises_is_there(name):
    study = benchmarks()[name]
    assert study.name == name
    assert study.summary
    assert callable(resolve(study.target))


def test_a_domain_of_another_distribution_joins(install, capsys):
    before = set(domains())
    install("bookshelf", DOMAINS, "shelf = bookshelf:DOMAIN", SHELF)
    assert set(domains()) == before | {"shelf"}
    assert domain("shelf").summary == "books on a shelf"
    assert main(["--help"]) == 0
    assert "books on a shelf" in capsys.readouterr().out
    assert not [e for e in catalogue() if e.domain == "shelf"]
    with pytest.raises(UserError, match="unknown domain 'shelv'; did you mean 'shelf'"):
        domain("shelv")


def test_a_study_of_another_distribution_joins(install):
    code = "from core.plugins import Benchmark\nSTUDY = Benchmark('pages', 'counts pages', 'bookstudy:run')"
    install("bookstudy", STUDIES, "pages = bookstudy:STUDY", code)
    assert benchmarks()["pages"] == Benchmark("pages", "counts pages", "bookstudy:run")


def test_one_data_set_in_two_domains_must_be_named_whole(install):
    name = catalogue()[0].name
    entry = f"""["{name}"]
title = "t"
licence = "l"
source = "s"
citation = "c"
files = []
raw = []
converter = "m:f"
"""
    catalogue.cache_clear()
    install("bookshelf", DOMAINS, "shelf = bookshelf:DOMAIN", SHELF, entry)
    with pytest.raises(UserError, match=rf"'{name}' is in several domains; say graphs/{name} or shelf/{name}"):
        find(name)
    assert find(f"shelf/{name}").title == "t"
    assert find(f"graphs/{name}").title != "t"


def test_two_distributions_under_one_name_are_refused(install):
    install("bookshelf", DOMAINS, "shelf = bookshelf:DOMAIN", SHELF)
    install("othershelf", DOMAINS, "shelf = othershelf:DOMAIN", SHELF.replace("books", "others"))
    with pytest.raises(UserError, match=r"two packages offer counterpoint\.domains 'shelf'; uninstall one of them"):
        domains()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("DOMAIN = 'shelf'", "'bookshelf:DOMAIN' in counterpoint.domains is a str, not a Domain"),
        ("import no_such_module", "'bookshelf:DOMAIN' in counterpoint.domains cannot be loaded.*no_such_module"),
        ("SHELF = 1", "'bookshelf:DOMAIN' in counterpoint.domains cannot be loaded.*DOMAIN"),
    ],
)
def test_a_broken_plug_in_is_named_without_a_traceback(install, capsys, code, message):
    """One that could not be imported ended every command, even ``--help``, in a traceback."""
    install("bookshelf", DOMAINS, "shelf = bookshelf:DOMAIN", code)
    with pytest.raises(UserError, match=message):
        domains()
    assert main(["graphs", "--help"]) == 2
    assert "bookshelf:DOMAIN" in capsys.readouterr().err


def test_a_domain_is_a_value():
    one = Domain("shelf", "s", "m:M", "t:T", "c")
    assert one == Domain("shelf", "s", "m:M", "t:T", "c")
    assert one.commands == ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "other"
