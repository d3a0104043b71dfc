"""The vision study: what it plans, claims that name its rows, and a small part of it run for real."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

from benchmarks.vision import BENCHMARK, budget, plan, study
from benchmarks.vision.claims import CLAIMS, claim_records, row_verdicts
from benchmarks.vision.parts import FURTHER, TIMED
from benchmarks.vision.plain_simclr import PlainResNet10, PlainSimCLR, kornia_chain
from benchmarks.vision.published import PUBLISHED
from benchmarks.vision.records import method_key
from core.errors import UserError
from core.losses import NTXentLoss
from core.registry import resolve
from core.reporting import Cell, CellResult, System, read_records
from core.training import resolve_settings
from domains.vision import METHODS
from domains.vision.augment import RECIPES
from domains.vision.models.resnet import ResNet

PARTS = [(profile, part) for profile, parts in plan.PARTS.items() for part in parts]
TINY = {**budget.BUDGETS["quick"], "width": 4, "epochs": 1}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    run_tiny(folder)
    return folder


def run_tiny(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(budget.BUDGETS, "quick", TINY)
        patch.setattr(plan, "_quick_choice", lambda systems: systems[:3])
        return study.run("quick", 2, folder, only=["instance discrimination"])


def test_registered():
    (point,) = entry_points(group="counterpoint.benchmarks", name="vision")
    assert point.load() is BENCHMARK
    assert resolve(BENCHMARK.target) is study.run


@pytest.mark.parametrize(("profile", "part"), PARTS)
def test_every_row_has_settings_that_are_valid(profile, part):
    cells = plan.plan(profile, part, None)
    assert len({cell.key() for cell in cells}) == len(cells)
    assert {cell.seed for cell in cells} == {0, 1, 2}
    assert any(cell.system.role in ("baseline", "untrained") for cell in cells)
    for cell in cells:
        if cell.system.method == "raw pixels":
            continue
        values = plan.settings_of(cell.system, profile)
        resolve_settings(METHODS.settings(cell.system.method), (cell.system.name, values))


def test_claims_and_published_numbers_name_rows_that_exist():
    for key, claims in CLAIMS.items():
        part, _, dataset = key.partition(": ")
        if part in FURTHER:
            cells, _ = resolve(FURTHER[part])("cpu", 1, Path())
        else:
            cells = plan.plan("cpu", part, 1)
        names = {cell.system.name for cell in cells if dataset in ("", cell.dataset)}
        for claim in claims:
            assert {name for name, _ in claim.terms} <= names, claim.text
            assert claim.row in {*names, ""}, claim.text
            assert claim.minus or sum(weight for _, weight in claim.terms) == 0, claim.text
    rows = {cell.system.name for part in plan.PARTS["cpu"] for cell in plan.plan("cpu", part, 1)}
    assert {name for name, _ in PUBLISHED} <= rows


def test_further_parts_can_be_imported():
    for target in (*FURTHER.values(), *TIMED.values()):
        assert callable(resolve(target))


def test_a_row_belongs_to_the_page_of_its_loss():
    assert method_key(System("a", "simclr", "method", {"loss": "DCLLoss"})) == "dcl"
    assert method_key(System("a", "simclr", "method", {"loss": "NTXentLoss"})) == "simclr"
    assert method_key(System("a", "moco", "method", {"sampler": "hallucinator"})) == "moco"


def test_the_rate_goes_with_the_root_of_the_batch():
    assert budget.at_batch("cpu", 64)["lr"] == pytest.approx(budget.BUDGETS["cpu"]["lr"] / 2)


def _results(scores):
    found = {}
    for name, values in scores.items():
        for seed, value in enumerate(values):
            cell = Cell(System(name, "simclr"), "data", seed)
            found[cell] = CellResult({"accuracy": value}, {}, 1.0, None, "abc")
    return found


def test_a_claim_is_a_difference_over_seeds():
    results = _results(
        {
            "SupCon": [0.60, 0.61, 0.62],
            "cross-entropy": [0.50, 0.52, 0.51],
            "Hydra, arbitrary pairs": [0.60, 0.63, 0.60],
            "arbitrary pairs without a gate": [0.2, 0.2, 0.21],
        }
    )
    records = {record.system: record for record in claim_records("supervised", "cpu", results)}
    above = records["SupCon above cross-entropy"]
    assert above.values == pytest.approx((10.0, 9.0, 11.0))
    assert above.verdict == "seen"
    assert records["Hydra at least on a par with SupCon"].verdict == "within noise"
    assert records["Hydra at least on a par with SupCon"].published.value == 0.96
    assert records["arbitrary pairs need the gate"].published.value is None
    verdicts = row_verdicts("supervised", results)
    assert verdicts["SupCon", "data"] == "seen"
    assert verdicts["arbitrary pairs without a gate", "data"] == "seen"


def test_a_claim_needs_its_rows_and_two_seeds():
    assert claim_records("supervised", "cpu", _results({"SupCon": [0.6, 0.6]})) == []
    assert claim_records("supervised", "cpu", _results({"SupCon": [0.6], "cross-entropy": [0.5]})) == []


def test_a_part_runs_and_is_not_run_again(out):
    records = read_records(out / "vision" / "quick-instance-discrimination.json")
    systems = {record.system for record in records}
    assert {"untrained start", "SimCLR (NT-Xent)"} <= systems
    leading = next(r for r in records if r.system == "SimCLR (NT-Xent)" and r.metric == "accuracy %")
    assert len(leading.values) == 2
    assert {"effective rank", "uniformity"} <= {r.metric for r in records if r.system == leading.system}
    assert leading.seconds > 0
    before = {path: path.stat().st_mtime_ns for path in (out / "vision" / "cells").rglob("*.safetensors")}
    again = run_tiny(out)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    repeated = next(r for r in again if r.system == leading.system and r.metric == "accuracy %")
    assert repeated.values == leading.values


def test_an_unknown_part_is_named(tmp_path):
    with pytest.raises(UserError, match="unknown part of the quick profile 'supervized'; did you mean 'supervised'"):
        study.run("quick", 1, tmp_path, only=["supervized"])


def test_the_plain_rival_computes_the_same_loss():
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 3, 8, 8), generator=draw, dtype=torch.uint8)
    encoder, head = torch.nn.Flatten(), torch.nn.Linear(192, 5)
    plain = PlainSimCLR(encoder, head, torch.nn.Identity(), 0.2)
    z = head(images.flatten(1).float() / 255)
    assert torch.allclose(plain(images), NTXentLoss(temperature=0.2)(z, z), atol=1e-5)


def test_the_rival_changes_what_we_change():
    chain = kornia_chain(RECIPES["simclr"], 16, torch.zeros(3), torch.ones(3))
    names = {type(module).__name__ for module in chain.modules()}
    assert {
        "RandomResizedCrop",
        "RandomHorizontalFlip",
        "ColorJitter",
        "RandomGrayscale",
        "RandomGaussianBlur",
    } <= names


def test_the_plain_network_is_ours():
    ours = ResNet(width=4, depth=10, stem="medium")
    plain = PlainResNet10(4)
    with torch.no_grad():
        for own, given in zip(plain.parameters(), ours.parameters(), strict=True):
            own.copy_(given)
    images = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(plain(images), ours(images), atol=1e-5)
