"""The study runs whole on a tiny size, its systems compute what their labels say, and its records add up."""

import statistics
from importlib.metadata import entry_points

import pytest
import torch

from benchmarks.losses import BENCHMARK
from benchmarks.losses import run as module
from benchmarks.losses.systems import BFLOAT16, FIVE_LINES, NT_XENT, Batch, systems
from core.errors import UserError
from core.registry import resolve
from core.reporting import read_records


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.PROFILES, "quick", {24: 2})
        returned = module.run("quick", None, folder)
    written = read_records(folder / "losses")
    assert [r.to_json() for r in written] == [r.to_json() for r in returned]
    return {(r.system, r.metric): r for r in written}


def test_registered():
    (point,) = entry_points(group="counterpoint.benchmarks", name="losses")
    assert point.load() is BENCHMARK
    assert resolve(BENCHMARK.target) is module.run


def test_every_system_has_its_metrics(records):
    for system in systems():
        cost = records[system.name, "ms"]
        assert cost.mean > 0
        assert cost.seeds == (0, 1, 2)
        assert cost.std == pytest.approx(statistics.stdev(cost.values))
        assert ((system.name, "x floor") in records) == bool(system.floor)
        assert set(system.bars) <= {metric for name, metric in records if name == system.name}


def test_ratios_are_those_of_the_times(records):
    ours, floor, five = (records[name, "ms"].values for name in (NT_XENT, systems()[0].name, FIVE_LINES))
    assert records[NT_XENT, "x floor"].values == pytest.approx([a / b for a, b in zip(ours, floor, strict=True)])
    faster = records[NT_XENT, "times faster than five lines"]
    assert faster.values == pytest.approx([b / a for a, b in zip(ours, five, strict=True)])
    assert faster.higher_is_better
    assert not records[NT_XENT, "ms"].higher_is_better


def test_rounding_of_bfloat16_is_measured(records):
    assert 0 < records[BFLOAT16, "relative error of the loss"].mean < 0.02
    assert 1e-4 < records[BFLOAT16, "relative error of the gradient"].mean < 0.05


def test_every_form_of_nt_xent_has_the_same_value():
    batch = Batch.draw(12, 16, seed=0)
    values = {
        system.name: float(system.step(batch))
        for system in systems()
        if system.method == "NT-Xent" and "temperature" not in system.settings
    }
    assert len(values) == 5
    rounded = values.pop(BFLOAT16)
    assert list(values.values()) == pytest.approx([values[NT_XENT]] * 4, abs=1e-5)
    assert rounded == pytest.approx(values[NT_XENT], abs=0.02)


def test_threads_are_put_back(tmp_path):
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.PROFILES, "quick", {8: 1})
        single = module.run("quick", 1, tmp_path)
    assert torch.get_num_threads() == before
    assert all(record.std is None for record in single)


@pytest.mark.parametrize(("profile", "seeds", "flag"), [("quik", None, "--profile"), ("quick", 0, "--seeds")])
def test_refused(profile, seeds, flag, tmp_path):
    with pytest.raises(UserError, match=flag):
        module.run(profile, seeds, tmp_path)
