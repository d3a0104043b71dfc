"""Names to classes: explicit, without duplicates, imported late."""

import math
import subprocess
import sys
from collections import OrderedDict
from fractions import Fraction

import pytest

from core.errors import UserError
from core.registry import Registry, resolve


@pytest.fixture
def numbers():
    registry = Registry("number type")
    registry.register(
        "late", "decimal:Decimal", "decimal:Context", paper="Cowlishaw 2003", summary="decimal", exact=True
    )
    registry.register("given", Fraction)
    return registry


def test_targets_are_classes_or_where_to_find_them(numbers):
    from decimal import Context, Decimal

    assert numbers.get("late") is Decimal
    assert numbers.settings("late") is Context
    assert numbers.get("given") is Fraction
    assert numbers.settings("given") is None


def test_listing_and_facts(numbers):
    assert numbers.names() == ("late", "given")
    assert [entry.name for entry in numbers] == ["late", "given"]
    assert len(numbers) == 2
    assert "late" in numbers
    assert "later" not in numbers
    entry = numbers.describe("late")
    assert (entry.paper, entry.summary, entry.facts) == ("Cowlishaw 2003", "decimal", {"exact": True})
    assert numbers.describe("given").facts == {}


def test_a_name_is_given_once(numbers):
    with pytest.raises(ValueError, match=r"number type 'late' is registered already \(as decimal:Decimal"):
        numbers.register("late", Fraction)
    assert numbers.get("late").__name__ == "Decimal"
    assert len(numbers) == 2


@pytest.mark.parametrize("ask", ["get", "settings", "describe"])
def test_a_miss_lists_near_names(numbers, ask):
    with pytest.raises(UserError, match=r"unknown number type 'givn'; did you mean 'given'\? known: given, late"):
        getattr(numbers, ask)("givn")


def test_registries_share_nothing(numbers):
    assert len(Registry("number type")) == 0
    assert numbers.names() == ("late", "given")


def test_resolve_imports_attributes_and_passes_objects_on():
    assert resolve("math:pi") is math.pi
    assert resolve("collections:OrderedDict") is OrderedDict
    thing = object()
    assert resolve(thing) is thing
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        resolve("no_such_module:thing")
    with pytest.raises(AttributeError, match="no_such_attribute"):
        resolve("math:no_such_attribute")


def test_registering_and_listing_import_nothing():
    script = (
        "import sys; from core.registry import Registry; r = Registry('x'); r.register('a', 'sqlite3:Connection')\n"
        "assert [e.name for e in r] == ['a'] and r.describe('a').summary == ''\n"
        "print('sqlite3' in sys.modules); r.get('a'); print('sqlite3' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
