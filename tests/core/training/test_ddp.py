"""Training in two real processes: the numbers of one process on the joined batch, and one run folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from core.training import shuffled
from tests.core.training.two_processes import RAGGED, SAMPLES, run_fit, run_train

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes left, each started by torchrun as a user would."""
    folder = tmp_path_factory.mktemp("two")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    job = [*launch, "-m", "tests.core.training.two_processes", str(folder)]
    done = subprocess.run(job, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The method after the same run in this process alone."""
    return run_fit(tmp_path_factory.mktemp("one"), 1)


def notes_of(folder, number):
    return json.loads((folder / f"notes_{number}.json").read_text())


@pytest.mark.slow
def test_two_processes_end_at_the_weights_of_one_on_the_joined_batch(two, one):
    for number in (0, 1):
        weights = torch.load(two / f"weights_{number}.pt", weights_only=True)
        for name, expected in one.state_dict().items():
            torch.testing.assert_close(weights[name], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_each_step_deals_the_batch_of_one_process_to_the_ranks(two, one):
    """Every rank used to be given the whole data set: twice the work for the numbers of one process."""
    first, second = (notes_of(two, number)["seen"] for number in (0, 1))
    assert len(first) == len(second) == len(one.seen) == 18
    for (epoch, mine), (_, theirs), (expected_epoch, joined) in zip(first, second, one.seen, strict=True):
        assert epoch == expected_epoch
        assert mine + theirs == joined
        assert len(mine) == len(theirs)
    for epoch in range(3):
        samples = [i for steps in (first, second) for e, part in steps if e == epoch for i in part]
        assert sorted(samples) == list(range(SAMPLES))


@pytest.mark.slow
def test_only_the_first_rank_writes(two):
    """The log of every rank used to begin a file, and the second rank used to find the folder taken."""
    assert not (two / "of_rank_1").exists()
    assert {p.name for p in (two / "of_rank_0").iterdir()} == {"metrics.csv", "tensorboard", "checkpoints"}
    names = {p.name for p in (two / "run").iterdir()}
    assert names == {"config.yaml", "metrics.csv", "tensorboard", "checkpoints", "model", "result.json"}
    assert len(list((two / "run" / "tensorboard").glob("events.*"))) == 1
    losses = [line for line in (two / "run" / "metrics.csv").read_text().splitlines() if ",loss," in line]
    assert len(losses) == 18


@pytest.mark.slow
def test_the_whole_job_gives_every_rank_the_scores_of_one_process(two, tmp_path):
    alone = run_train(tmp_path / "run", 1)
    for number in (0, 1):
        assert notes_of(two, number)["scores"]["norm"] == pytest.approx(alone.scores["norm"], abs=1e-4)
    stored = json.loads((two / "run" / "result.json").read_text())
    assert stored["scores"]["norm"] == pytest.approx(alone.scores["norm"], abs=1e-4)
    ours, theirs = (load_file(folder / "model" / "model.safetensors") for folder in (tmp_path / "run", two / "run"))
    for name, expected in ours.items():
        torch.testing.assert_close(theirs[name], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), RAGGED[:-1])
def test_what_cannot_be_dealt_out_evenly_is_left_out(two, count, size):
    whole = list(shuffled(count, size, 5, lambda index: index.tolist()))
    shares = [notes_of(two, number)["dealt"][f"{count} in {size}"] for number in (0, 1)]
    expected = [batch[: len(batch) // 2 * 2] for batch in whole if len(batch) > 1]
    for share in shares:
        assert share["length"] == len(share["batches"]) == len(expected)
    assert [a + b for a, b in zip(shares[0]["batches"], shares[1]["batches"], strict=True)] == expected


@pytest.mark.slow
def test_more_processes_than_samples_in_a_batch_are_refused(two):
    for number in (0, 1):
        message = notes_of(two, number)["dealt"]["6 in 1"]["error"]
        assert message.startswith("batch_size is 1, but 2 processes share each batch")


def test_one_process_sees_the_order_it_always_saw():
    """The permutation of (seed, epoch) in slices: what runs from before several processes were dealt with resume on."""
    loader = shuffled(11, 4, 7, lambda index: index.tolist())
    for epoch in (0, 3):
        loader.set_epoch(epoch)
        order = torch.randperm(11, generator=torch.Generator().manual_seed(7 * 1_000_003 + epoch)).tolist()
        assert list(loader) == [order[:4], order[4:8], order[8:]]
    assert len(loader) == 3
