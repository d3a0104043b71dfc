"""Our docstrings as the site understands them: doctests are an example section, ``::`` a colon, ``>`` no quotation."""

import re
from typing import Any

import griffe


class HouseDocstrings(griffe.Extension):
    """Loaded by mkdocstrings when it reads the sources; see zensical.toml."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of one object before it is parsed."""
        if obj.docstring is None:
            return
        text, doctest, rest = obj.docstring.value.partition("\n\n>>> ")
        text = re.sub(r"::(?=\n\n {4})", ":", text)
        text = re.sub(r"^(\s+\w+: )>", r"\1\>", text, flags=re.MULTILINE)
        if doctest:
            example, gap, after = rest.partition("\n\n")
            indented = f">>> {example}".replace("\n", "\n    ")
            text += f"{gap}{after}\n\nExamples:\n    {indented}\n"
        obj.docstring.value = text
