"""The study runs whole on a tiny size, its systems compute what their labels say, and its records add up."""

import math
import statistics
from importlib.metadata import entry_points

import pytest
import torch

from benchmarks.losses import BENCHMARK, costs
from benchmarks.losses import run as module
from benchmarks.losses.batch import Batch
from benchmarks.losses.case import PER_PAIR
from benchmarks.losses.cases import cases
from benchmarks.losses.systems import BFLOAT16, NT_XENT, peer_forms, systems
from core.errors import UserError
from core.registry import resolve
from core.reporting import read_records

TINY = 24


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.PROFILES, "quick", {TINY: 2, 2 * TINY: 2})
        patch.setitem(module.STEPS, "quick", 1)
        two = [costs.Step("one", int), costs.Step("other", dict, "<= 2")]
        patch.setattr(costs, "TABLES", {"two": lambda seed: two})
        returned = module.run("quick", None, folder)
        written = {r.system: r for r in read_records(folder / "losses")}
        assert {r.system for r in returned} == set(written)
        again = module.run("quick", None, folder)  # every cell has ended, so nothing is measured again
    assert [r.values for r in again] == [r.values for r in returned]
    return {(r.dataset, r.system, r.metric): r for r in read_records(folder / "losses")}


def of_times(records):
    return {(system, metric): r for (dataset, system, metric), r in records.items() if dataset.startswith(f"N={TINY},")}


def test_registered():
    (point,) = entry_points(group="counterpoint.benchmarks", name="losses")
    assert point.load() is BENCHMARK
    assert resolve(BENCHMARK.target) is module.run


def test_every_system_has_its_metrics(records):
    times = of_times(records)
    for system in systems():
        cost = times[system.name, "ms"]
        assert cost.mean > 0
        assert cost.seeds == (0, 1, 2)
        assert cost.std == pytest.approx(statistics.stdev(cost.values))
        assert ((system.name, "x floor") in times) == bool(system.floor[0])
        assert set(system.bars) <= {metric for name, metric in times if name == system.name}


def test_ratios_are_those_of_the_times(records):
    times = of_times(records)
    name = "MVInfoNCELoss, 4 views"
    ours, floor, plain, base = (
        times[one, "ms"].values for one in (name, "2n x 2n", "MV-InfoNCE, plain, 4 views", NT_XENT)
    )
    assert times[name, "x floor"].values == pytest.approx([a / (4 * b) for a, b in zip(ours, floor, strict=True)])
    faster = times[name, "times faster than plain"]
    assert faster.values == pytest.approx([b / a for a, b in zip(ours, plain, strict=True)])
    assert faster.higher_is_better
    assert times[name, PER_PAIR].values == pytest.approx([a / b / 6 for a, b in zip(ours, base, strict=True)])
    assert not times[NT_XENT, "ms"].higher_is_better


def test_growth_is_the_slope_between_the_two_largest_sizes(records):
    small, large = (records[f"N={n}, d=128", NT_XENT, "ms"].values for n in (TINY, 2 * TINY))
    slope = records[f"Growth from N={TINY} to {2 * TINY}", NT_XENT, "exponent of ms"]
    assert slope.values == pytest.approx([math.log2(b / a) for a, b in zip(small, large, strict=True)])


def test_rounding_of_bfloat16_is_measured(records):
    times = of_times(records)
    assert 0 < times[BFLOAT16, "relative error of the loss"].mean < 0.02
    assert 1e-4 < times[BFLOAT16, "relative error of the gradient"].mean < 0.05


@pytest.mark.parametrize("t", [1.0, 0.1, 0.02])
@pytest.mark.parametrize("case", [case for case in cases() if case.plain], ids=lambda case: case.name)
def test_the_plain_form_is_the_same_function(case, t):
    """It is the rival in the table of times and the reference in that of precision, so it has to be right."""
    batch, gradients = Batch.draw(TINY, 16, seed=0, noise=1.0).to(torch.float64), []
    values = []
    for form in (case.ours, case.plain):
        leaf = batch.leaf(case.views)
        value = form(leaf, batch, t)
        value.backward()
        values.append(value.detach())
        gradients.append(leaf.grad)
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-8)


def test_peers_compute_what_they_are_said_to():
    batch = Batch.draw(TINY, 16, seed=0)
    by_method = {case.method: case for case in reversed(cases())}
    forms = peer_forms()
    assert len(forms) == 4
    for method, form, _ in forms.values():
        expected = by_method[method].ours(batch.leaf(2), batch, 0.5)
        torch.testing.assert_close(form(batch.leaf(2), batch, 0.5), expected, rtol=1e-4, atol=1e-5)


def test_precision_tells_right_from_wrong(records):
    cold = "Relative error of the loss, float32", "temperature 0.001"
    assert records[cold[0], NT_XENT, cold[1]].mean < 1e-5
    assert records[cold[0], "MONAI ContrastiveLoss", cold[1]].mean is None
    assert records[cold[0], "pytorch-metric-learning NTXentLoss", cold[1]].mean > 0.1


def test_costs_are_divided_by_the_first_step(records):
    other = records["two", "other", "x one"]
    ratios = [
        a / b for a, b in zip(records["two", "other", "ms"].values, records["two", "one", "ms"].values, strict=True)
    ]
    assert other.values == pytest.approx(ratios)
    assert other.settings["bar"] == "<= 2"


@pytest.mark.slow
@pytest.mark.parametrize("title", costs.TABLES)
def test_every_table_of_costs_runs(title):
    steps = costs.TABLES[title](0)
    assert len({step.name for step in steps}) == len(steps) >= 2
    for step in steps:
        step.run()


def test_threads_are_put_back(tmp_path):
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(module.PROFILES, "quick", {16: 1})
        patch.setattr(costs, "TABLES", {})
        single = module.run("quick", 1, tmp_path)
    assert torch.get_num_threads() == before
    assert all(record.std is None for record in single)


@pytest.mark.parametrize(("profile", "seeds", "flag"), [("quik", None, "--profile"), ("quick", 0, "--seeds")])
def test_refused(profile, seeds, flag, tmp_path):
    with pytest.raises(UserError, match=flag):
        module.run(profile, seeds, tmp_path)
