"""Commands start at once: what they do not need is not imported."""

import subprocess
import sys

import pytest

from core.cli.main import main

SCRIPT = (
    "import sys; from core.cli.main import main; main(sys.argv[1:]); print(*({'torch', 'sklearn'} & {*sys.modules}))"
)


def _imported(*words):
    found = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=True)
    return set(found.stdout.splitlines()[-1].split())


@pytest.mark.slow
def test_one_table_of_many_without_torch(tmp_path):
    assert "torch" not in _imported("tables", "integrate", "libraries", "--out", str(tmp_path / "golden.csv"))


@pytest.mark.slow
def test_the_state_of_a_project_without_what_matching_needs(tmp_path):
    main(["tables", "init", str(tmp_path / "p"), "libraries"])
    assert _imported("tables", "status", str(tmp_path / "p")) == set()
