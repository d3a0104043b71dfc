"""Warnings point at the reader's line."""

from pathlib import Path

import pytest
from torch import nn

from core.caller import warn_caller


def test_the_line_outside_of_the_core_is_named():
    with pytest.warns(UserWarning, match="too few of them") as found:
        warn_caller("too few of them")
    assert found[0].filename == __file__


def test_frames_of_torch_and_the_core_are_passed_over():
    """A module of the core is called through torch's own frames."""

    space = {"__name__": "core.example", "warn_caller": warn_caller}
    exec("def forward(self):\n    warn_caller('from within')", space)
    module = type("Example", (nn.Module,), {"forward": space["forward"]})()
    with pytest.warns(UserWarning, match="from within") as found:
        module()
    assert found[0].filename == __file__
    assert "module()" in Path(__file__).read_text().splitlines()[found[0].lineno - 1]
