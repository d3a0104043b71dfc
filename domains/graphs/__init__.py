"""Graphs: node and graph representations without labels (GraphMAE and its rivals) on one protocol.

Light to import: methods load torch only when one is used.
"""

from __future__ import annotations

from typing import Any

from core.registry import Registry, resolve

__all__ = ["METHODS", "embed", "load_model", "train"]

METHODS = Registry("graph method")
_M = "domains.graphs.methods"
METHODS.register(
    "graphmae", f"{_M}.graphmae:GraphMAE", f"{_M}.graphmae:GraphMAESettings",
    paper="Hou et al. 2022, arXiv 2205.10803", summary="rebuild masked node features", level="both",
)  # fmt: skip
METHODS.register(
    "grace", f"{_M}.grace:GRACE", f"{_M}.grace:GRACESettings",
    paper="Zhu et al. 2020, arXiv 2006.04131", summary="contrast the nodes of two corrupted views", level="node",
)  # fmt: skip
METHODS.register(
    "dgi", f"{_M}.dgi:DGI", f"{_M}.dgi:DGISettings",
    paper="Velickovic et al. 2019, arXiv 1809.10341", summary="tell real nodes from shuffled ones", level="node",
)  # fmt: skip
METHODS.register(
    "bgrl", f"{_M}.bgrl:BGRL", f"{_M}.bgrl:BGRLSettings",
    paper="Thakoor et al. 2022, arXiv 2102.06514", summary="predict a momentum copy, no negatives", level="node",
)  # fmt: skip
METHODS.register(
    "graphcl", f"{_M}.graphcl:GraphCL", f"{_M}.graphcl:GraphCLSettings",
    paper="You et al. 2020, arXiv 2010.13902", summary="contrast two augmentations of each graph", level="graph",
)  # fmt: skip
METHODS.register(
    "infograph", f"{_M}.infograph:InfoGraph", f"{_M}.infograph:InfoGraphSettings",
    paper="Sun et al. 2020, arXiv 1908.01000", summary="match nodes with their own graph", level="graph",
)  # fmt: skip
METHODS.register(
    "supervised", f"{_M}.supervised:Supervised", f"{_M}.supervised:SupervisedSettings",
    paper="Kipf and Welling 2017, arXiv 1609.02907; Velickovic et al. 2018, arXiv 1710.10903",
    summary="GCN or GAT trained with the labels, for orientation", level="node",
)  # fmt: skip
METHODS.register(
    "smoothed", f"{_M}.smoothed:SmoothedFeatures", f"{_M}.smoothed:SmoothedFeaturesSettings",
    paper="Wu et al. 2019, arXiv 1902.07153",
    summary="features averaged over neighbours (SGC), nothing learned", level="both",
)  # fmt: skip

_LAZY = {name: f"domains.graphs.jobs:{name}" for name in ("embed", "load_model", "train")}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return resolve(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
