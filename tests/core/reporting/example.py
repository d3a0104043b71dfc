"""A result record to change one thing of."""

from dataclasses import replace

from core.reporting import Published, ResultRecord

EXAMPLE = ResultRecord(
    system="GraphMAE",
    domain="graphs",
    dataset="cora",
    split="public split",
    method="graphmae",
    metric="accuracy %",
    mean=84.0,
    std=1.0,
    values=(83.0, 84.0, 85.0),
    seeds=(0, 1, 2),
    higher_is_better=True,
    role="method",
    published=Published(84.2, "Hou et al. 2022, arXiv 2205.10803, table 1", True, "20 seeds there"),
    verdict="seen",
    seconds=12.5,
    peak_mb=310.0,
    profile="cpu",
    settings={"hidden": 512, "drop_edge": [0.2, 0.4], "nested": {"lr": 1e-3, "name": None}},
    commit="0123456789ab",
    versions={"python": "3.11.7", "torch": "2.13.0"},
    machine={"cpu": "a processor", "cores": 2, "memory_gb": 23.5, "system": "Linux"},
    date="2026-01-02",
)


def example(**changes) -> ResultRecord:
    """The example with other fields; a mean without values gets three values around it."""
    if "mean" in changes and "values" not in changes:
        mean, std = changes["mean"], changes.get("std", EXAMPLE.std) or 0.0
        changes["values"] = (mean - std, mean, mean + std)
    return replace(EXAMPLE, **changes)
