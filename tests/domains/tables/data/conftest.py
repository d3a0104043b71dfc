"""The domain's catalogue, which no entry point names yet."""

from collections.abc import Iterator
from importlib import import_module

import pytest

from core.plugins import Domain, domains

_CATALOGUE = import_module("core.data.catalogue")


@pytest.fixture(autouse=True)
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`domains.tables` among the installed domains."""
    tables = Domain(name="tables", summary="tables", methods="", task="", catalogue="domains.tables")
    monkeypatch.setattr(_CATALOGUE, "domains", lambda: {**domains(), "tables": tables})
    _CATALOGUE.catalogue.cache_clear()
    yield
    _CATALOGUE.catalogue.cache_clear()
