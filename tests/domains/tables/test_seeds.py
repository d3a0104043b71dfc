"""A seed that nothing could draw with is told where it was written."""

import numpy as np
import pytest
import torch
from sklearn.utils import check_random_state

from core.cli.main import main
from core.errors import UserError
from domains.tables.integration import integrate
from domains.tables.matching.likelihood_matcher import MatchSettings
from domains.tables.seeds import check_seed


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_what_is_let_through_can_be_drawn_with(seed):
    check_seed(seed)
    np.random.default_rng(seed)
    check_random_state(seed)
    torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**70])
def test_others_are_refused(seed):
    with pytest.raises(UserError, match=f"--seed must be 0 to 4294967295, got {seed}"):
        check_seed(seed, "--seed")


def test_settings_of_the_matcher():
    with pytest.raises(UserError, match="seed must be 0 to 4294967295, got -1"):
        MatchSettings(seed=-1)


def test_integrate_says_so_before_it_reads():
    with pytest.raises(UserError, match="seed must be 0 to 4294967295, got -1"):
        integrate("no such file", seed=-1)


def test_init_says_so_and_makes_nothing(tmp_path, capsys):
    assert main(["tables", "init", str(tmp_path / "p"), "libraries", "--seed", "-1"]) == 2
    assert "seed must be 0 to 4294967295, got -1" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()
