"""Reading published pickles without handing them the machine: only numpy and scipy containers are admitted."""

import io
import pickle
from pathlib import Path
from typing import Any

from core.errors import UserError

__all__ = ["restricted_load"]

_ALLOWED = {
    ("collections", "defaultdict"),
    ("collections", "OrderedDict"),
    ("builtins", "list"),
    ("__builtin__", "list"),
    ("_codecs", "encode"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "_reconstructor"),
    ("builtins", "object"),
    ("__builtin__", "object"),
    *(
        (module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *(
        (f"scipy.sparse.{module}", f"{kind}_{shape}")
        for kind in ("csr", "csc", "coo")
        for module in (kind, f"_{kind}")
        for shape in ("matrix", "array")
    ),
}


class _Restricted(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise UserError(
                f"{self.path} wants to load {module}.{name}; only numpy arrays and scipy.sparse matrices are read. "
                "If you trust the file, convert it to .npz or CSV yourself"
            )
        if module.startswith("scipy.sparse.") and "._" not in module:  # where old releases kept them
            module = module.replace("scipy.sparse.", "scipy.sparse._", 1)
        return super().find_class(module, name)


def restricted_load(content: bytes, path: Path) -> Any:
    """Unpickle ``content`` if it holds nothing but numpy and scipy.sparse data and plain containers.

    Args:
        content: the pickle.
        path: where it came from, for messages.

    Raises:
        UserError: anything else is in it, or it is damaged.
    """
    try:
        return _Restricted(io.BytesIO(content), path).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, ValueError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is damaged or not a pickle of arrays: {error}") from error
