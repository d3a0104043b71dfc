"""Is it finite, and is it right: every loss at four temperatures in two precisions, against float64."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.losses.batch import Batch
from benchmarks.losses.case import Case, Form
from benchmarks.losses.cases import cases
from benchmarks.losses.systems import peer_forms
from core.reporting import ResultRecord
from core.reporting.records import Role
from core.reporting.study import Cell, CellResult, run_cells
from core.reporting.study import System as Row

__all__ = ["PRECISIONS", "TEMPERATURES", "precision_records"]

TEMPERATURES = (1.0, 0.1, 0.01, 0.001)
PRECISIONS = {"float32": torch.float32, "bfloat16 autocast": torch.bfloat16}
KINDS = ("loss", "gradient")
COUNT, WIDTH, NOISE = 128, 32, 1.5
"""Pairs that resemble each other less than some strangers do, so that at temperature 0.001 a loss is large."""


def precision_records(seeds: Sequence[int], profile: str, folder: Path, facts: dict[str, Any]) -> list[ResultRecord]:
    """Relative errors of loss and gradient, four tables of one column per temperature.

    The reference is the plain form in float64 on the same rounded inputs. Where it is below 1e-38, float32's least,
    an error is measured against that: 0 is then right. Under autocast the inputs are bfloat16, as an
    encoder hands them over; their gradient is bfloat16 too, which alone rounds by 0.002. A result that is infinite or
    NaN is recorded as null.

    Args:
        seeds: one batch each.
        profile: of the records.
        folder: where ended cells are kept.
        facts: commit, versions, machine and date.
    """
    rows = _rows()
    cells = [
        Cell(Row(name, case.method, role), precision, seed)
        for name, (case, _, role) in rows.items()
        for precision in PRECISIONS
        for seed in seeds
    ]
    results = run_cells(cells, lambda cell: (_errors(*rows[cell.system.name][:2], cell), {}), folder, measured=False)
    records = []
    for kind in KINDS:
        for precision in PRECISIONS:
            for name, (case, _, role) in rows.items():
                found = [r for c, r in results.items() if c.system.name == name and c.dataset == precision]
                records += [
                    _record(name, case, role, precision, kind, t, found, seeds, {**facts, "profile": profile})
                    for t in (TEMPERATURES if case.tempered else (1.0,))
                ]
    return records


def _rows() -> dict[str, tuple[Case, Form, Role]]:
    """Name to the case that has the reference, the form to be judged, and its role."""
    known = [case for case in cases() if case.plain]
    rows: dict[str, tuple[Case, Form, Role]] = {case.name: (case, case.ours, "method") for case in known}
    by_method = {case.method: case for case in reversed(known)}
    for name, (method, form, _) in peer_forms().items():
        rows[name] = by_method[method], form, "baseline"
    return rows


def _errors(case: Case, form: Form, cell: Cell) -> dict[str, float]:
    assert case.plain is not None
    dtype = PRECISIONS[cell.dataset]
    batch = Batch.draw(COUNT, WIDTH, cell.seed, NOISE).to(dtype)
    scores = {}
    for t in TEMPERATURES if case.tempered else (1.0,):
        exact, exact_gradient = _value_and_gradient(case.plain, case.views, batch.to(torch.float64), t)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a peer's own
            value, gradient = _value_and_gradient(form, case.views, batch, t)
        errors = _relative(value, exact), _relative(gradient, exact_gradient)
        scores |= {f"{kind}|{t:g}": error for kind, error in zip(KINDS, errors, strict=True)}
    return scores


def _relative(found: Tensor, exact: Tensor) -> float:
    """Error over size, NaN where what was found is not finite. What is too small for float32 counts as its least."""
    if not found.isfinite().all():
        return math.nan
    size = max(float(exact.norm()), torch.finfo(torch.float32).tiny)
    return float((found.double() - exact).norm()) / size


def _value_and_gradient(form: Form, views: int, batch: Batch, t: float) -> tuple[Tensor, Tensor]:
    leaf = batch.leaf(views)
    value = form(leaf, batch, t)
    value.backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


def _record(
    name: str,
    case: Case,
    role: Role,
    precision: str,
    kind: str,
    t: float,
    results: Sequence[CellResult],
    seeds: Sequence[int],
    facts: dict[str, Any],
) -> ResultRecord:
    values = [r.scores[f"{kind}|{t:g}"] for r in results]
    return ResultRecord.over(
        values,
        system=name,
        domain="losses",
        dataset=f"Relative error of the {kind}, {precision}",
        method=case.method,
        metric=f"temperature {t:g}",
        seeds=seeds,
        role=role,
        settings={"n": COUNT, "d": WIDTH, "noise": NOISE},
        **facts,
    )
