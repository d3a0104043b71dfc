"""What the vision study runs: systems, data sets and seeds of each profile."""

from typing import Any

from benchmarks.vision.budget import BUDGETS, PROFILES, at_batch
from core.reporting import Cell, System
from core.reporting.records import Role

__all__ = ["PARTS", "plan"]

_BASELINE: Role = "baseline"
_ABLATION: Role = "ablation"
_TAU = {"temperature": 0.2}
_MOCHI = {"n_hard": 128, "n_pair": 64, "n_query": 32}
_MIXED = {"sampler": "hard_negative_mixing", "sampler_settings": _MOCHI}
_HALLUCINATED = {"sampler": "hallucinator"}
_CROP = {"recipe": "mild+hallucinator"}
"""Hallucinator's released configurations suppress the centre of one view's crop as well: crop and generator apart."""
_NT_XENT = {"loss": "NTXentLoss", "loss_settings": _TAU}


def _simclr(name: str, loss: str, settings: dict[str, Any] | None = None, **rest: Any) -> System:
    return System(name, "simclr", "method", {"loss": loss, "loss_settings": settings or {}, **rest})


def _instance(profile: str) -> tuple[System, ...]:
    small = at_batch(profile, 32)
    pairs = {"loss": "PairwiseAggregation", "loss_settings": {"loss": "NTXentLoss", "loss_settings": _TAU}}
    return (
        System("128 principal components of the pixels", "raw pixels", _BASELINE),
        System("untrained start", "simclr", "untrained", {**_NT_XENT, "epochs": 0}),
        System("SimCLR (NT-Xent)", "simclr", "method", _NT_XENT),
        System("SimCLR, batch 32", "simclr", "method", {**_NT_XENT, **small}),
        _simclr("DCL", "DCLLoss", _TAU),
        _simclr("DCL, batch 32", "DCLLoss", _TAU, **small),
        _simclr("DCLW", "DCLWLoss", _TAU),
        _simclr("DCLW, batch 32", "DCLWLoss", _TAU, **small),
        _simclr("CACR", "CACRLoss", {"t_pos": 1.0, "t_neg": 2.0}),
        _simclr("GroCo", "GroCoLoss", layers=3, last_norm=True),  # its own head: without the norm it collapses
        _simclr("MV-InfoNCE, 2 views", "MVInfoNCELoss", _TAU),
        _simclr("MV-DHEL, 2 views", "MVDHELLoss", _TAU),
        System("SimCLR, 4 views in pairs", "simclr", "method", {**pairs, "views": 4}),
        _simclr("CACR, 4 views", "CACRLoss", {"t_pos": 1.0, "t_neg": 2.0}, views=4),
        _simclr("MV-InfoNCE, 4 views", "MVInfoNCELoss", _TAU, views=4),
        _simclr("MV-DHEL, 4 views", "MVDHELLoss", _TAU, views=4),
        _simclr("SogCLR", "SogCLRLoss", {"temperature": 0.2, "gamma": 0.8}),
        _simclr("iSogCLR", "ISogCLRLoss", {"temperature": 0.2, "rho": 0.4, "eta": 0.03, "beta": 0.5, "tau_min": 0.05}),
        _simclr("SogCLR, batch 32", "SogCLRLoss", {"temperature": 0.2, "gamma": 0.8}, **small),
        System("Barlow Twins", "barlow_twins"),
        System("VICReg", "vicreg"),
        System("SwAV", "swav"),
        System("BYOL", "byol"),
        System("MoCo v2", "moco"),
        System("MoCo v2 + MoCHi", "moco", "method", _MIXED),
        System("MoCo v2 + MoCHi, class oracle", "moco", _ABLATION, {**_MIXED, "oracle": True}),
        System("MoCo v2 + Hallucinator", "moco", "method", _HALLUCINATED),
        System("MoCo v2, suppressed crop", "moco", _ABLATION, _CROP),
        System("MoCo v2 + Hallucinator, suppressed crop", "moco", _ABLATION, {**_HALLUCINATED, **_CROP}),
        System("SimSiam", "simsiam"),
        System("SimSiam + Hallucinator", "simsiam", "method", _HALLUCINATED),
        System("SimSiam, suppressed crop", "simsiam", _ABLATION, _CROP),
        System("SimSiam + Hallucinator, suppressed crop", "simsiam", _ABLATION, {**_HALLUCINATED, **_CROP}),
    )


_STEPS = {"epochs": 32}
"""The long tail has a quarter of the images: as many steps as on all of them."""
_SOGCLR = {"temperature": 0.2, "gamma": 0.8}
_ISOGCLR = {"temperature": 0.2, "rho": 0.4, "eta": 0.03, "beta": 0.5, "tau_min": 0.05}
_LONG_TAIL = (
    System("untrained start", "simclr", "untrained", {**_NT_XENT, "epochs": 0}),
    System("SimCLR (NT-Xent)", "simclr", "method", {**_NT_XENT, **_STEPS}),
    _simclr("SogCLR", "SogCLRLoss", _SOGCLR, **_STEPS),
    _simclr("iSogCLR", "ISogCLRLoss", _ISOGCLR, **_STEPS),
    _simclr("CACR", "CACRLoss", {"t_pos": 1.0, "t_neg": 2.0}, **_STEPS),
)
_SUPERVISED = (
    System("cross-entropy", "cross_entropy", _BASELINE),
    System("SupCon", "sup_con", "method", {"loss_settings": {"temperature": 0.1}}),
    System("Hydra, arbitrary pairs", "hydra"),
    System("arbitrary pairs without a gate", "hydra", _ABLATION, {"gate": False}),
    System("SupCon fed arbitrary pairs", "hydra", _ABLATION, {"gate": False, "loss": "SupConLoss"}),
)
_FEW: dict[str, Any] = {"labels_per_class": 100, "epochs": 40, "batch_size": 64, "lr": 1e-3}
"""1,000 labels, and steps enough to use them."""
_TUNED = {**_FEW, "pretrained": "SimCLR (NT-Xent)"}
_FINE_TUNING = (
    System("from scratch", "cross_entropy", _BASELINE, _FEW),
    System("plain fine-tuning", "cross_entropy", _BASELINE, _TUNED),
    System("Core-tuning", "core_tuning", "method", _TUNED),
    System("Core-tuning without contrast", "core_tuning", _ABLATION, {**_TUNED, "eta": 0.0}),
    System("Core-tuning without mixing", "core_tuning", _ABLATION, {**_TUNED, "mixing": False}),
    System("Core-tuning without focal weight", "core_tuning", _ABLATION, {**_TUNED, "gamma": 0.0}),
)

PARTS: dict[str, tuple[str, ...]] = {
    "quick": ("instance discrimination", "supervised"),
    "cpu": ("instance discrimination", "long tail", "supervised", "fine-tuning"),
    "paper": ("instance discrimination", "long tail", "supervised", "fine-tuning"),
}
"""The parts that train methods of the registry, for each profile."""


def plan(profile: str, part: str, seeds: int | None) -> list[Cell]:
    """The cells of one part, seed by seed, so that a stopped study has whole seeds."""
    systems = {
        "instance discrimination": _quick_choice(_instance(profile)) if profile == "quick" else _instance(profile),
        "long tail": _LONG_TAIL,
        "supervised": _SUPERVISED,
        "fine-tuning": _FINE_TUNING,
    }[part]
    count = 3 if seeds is None else seeds
    dataset = PROFILES[profile] + (", long tail" if part == "long tail" else "")
    dataset += ", 100 labels a class" if part == "fine-tuning" else ""
    return [Cell(system, dataset, seed) for seed in range(count) for system in systems]


def _quick_choice(systems: tuple[System, ...]) -> tuple[System, ...]:
    """What fits three minutes: no multi-view rows, no small batches, no ablations."""
    large = ("views", "batch")
    return tuple(s for s in systems if s.role != _ABLATION and not any(word in s.name for word in large))


def settings_of(system: System, profile: str) -> dict[str, Any]:
    """The profile's budget under the system's own settings."""
    return {**BUDGETS[profile], **dict(system.settings)}
