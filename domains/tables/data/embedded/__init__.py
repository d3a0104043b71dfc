"""Small messy tables that come with the package, made up, with their truth."""

from domains.tables.data.embedded.load import EMBEDDED, load_embedded, load_gold

__all__ = ["EMBEDDED", "load_embedded", "load_gold"]
