"""What every test shares: shape checks, fixed threads, the real data folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

import tests.typecheck  # noqa: F401  (the hook looks it up by name)

# The hook instruments modules as they are imported, so it must stand before the first import of the suite.
jaxtyping.install_import_hook(["core", "domains"], "tests.typecheck.checked")

import torch  # noqa: E402

from tests.gloo import GlooPool  # noqa: E402

# One thread: results do not depend on the machine's core count, and parallel test workers do not fight.
torch.set_num_threads(1)
# Warnings are errors here; by default torch gives some of its own only once a process, to whichever test comes first.
torch.set_warn_always(True)
# What a machine does beside the tests must not fail one.
hypothesis.settings.register_profile("counterpoint", deadline=None)
hypothesis.settings.load_profile("counterpoint")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The root of the real data sets, ``<root>/<domain>/<name>/<file>``."""
    root = os.environ.get("COUNTERPOINT_DATA")
    if not root:
        pytest.skip("COUNTERPOINT_DATA is not set: the real data sets are not here")
    folder = Path(root)
    assert folder.is_dir(), f"COUNTERPOINT_DATA names {folder}, which is not a folder"
    return folder


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch the shape checks of the test run off, to see the error that a user sees."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def gloo_pool() -> Iterator[Callable[[int], GlooPool]]:
    """Pools of real processes by their number, each started when first asked for and shared by the whole run."""
    pools: dict[int, GlooPool] = {}

    def start(world: int) -> GlooPool:
        if world not in pools:
            pools[world] = GlooPool(world)
        return pools[world]

    yield start
    for pool in pools.values():
        pool.close()
