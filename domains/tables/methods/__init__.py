"""Methods of the tables domain."""

from core.registry import Registry

__all__ = ["METHODS"]

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
