"""Tables: from several messy tables to one clean table, with no labels.

Light to import: pandas and torch are loaded only when something that needs them is used.
"""

from __future__ import annotations

from typing import Any

from core.registry import Registry, resolve

__all__ = ["METHODS", "Integration", "integrate"]

METHODS = Registry("tables method")
_M = "domains.tables.methods"
METHODS.register(
    "ssacl", f"{_M}.ssacl:SSACL", f"{_M}.ssacl:SSACLSettings",
    paper="Ji et al. 2024, arXiv 2412.00324", summary="tell changed versions of a tuple from other tuples",
)  # fmt: skip
METHODS.register(
    "value_contrast", f"{_M}.value_contrast:ValueContrast", f"{_M}.value_contrast:ValueContrastSettings",
    paper="NT-Xent, Chen et al. 2020, arXiv 2002.05709", summary="tell changed versions of a value from other values",
)  # fmt: skip

_LAZY = {name: f"domains.tables.integration:{name}" for name in ("Integration", "integrate")}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return resolve(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
