"""Where data sets live on this machine."""

import os
from pathlib import Path

import platformdirs

from core.errors import UserError

__all__ = ["data_root"]


def data_root() -> Path:
    """``COUNTERPOINT_DATA`` if it is set, else the platform's cache folder; layout ``<root>/<domain>/<name>/<file>``.

    Raises:
        UserError: the variable names something that is not a folder.
    """
    given = os.environ.get("COUNTERPOINT_DATA")
    if not given:
        return Path(platformdirs.user_cache_dir("counterpoint"))
    root = Path(given).expanduser()
    if root.exists() and not root.is_dir():
        raise UserError(f"COUNTERPOINT_DATA is {root}, which is a file; it must name a folder")
    return root
