"""The names that others may rely on: where they are, that they are explained, and that looking costs no torch."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

# The stable names of the architecture. A name moves from PLANNED to STABLE when it comes into being.
STABLE = {
    "core.similarity": ("similarity_logsumexp",),
    "core.losses": (
        *("InfoNCELoss", "NTXentLoss", "CLIPLoss", "DCLLoss", "DCLWLoss", "NegativeCosineLoss", "SupConLoss"),
        *("ScaledCosineErrorLoss", "TripletLoss", "DHELLoss", "MVInfoNCELoss", "MVDHELLoss", "PVCLoss", "CACRLoss"),
        *("GroCoLoss", "RDropLoss"),
        *("BarlowTwinsLoss", "VICRegLoss", "SwAVLoss"),
        *("BinaryNCELoss", "RankingNCELoss", "DebiasedInfoNCELoss", "HardnessInfoNCELoss", "CMIMLoss"),
        *("SogCLRLoss", "ISogCLRLoss"),
        *("PixContrastLoss", "PixProLoss", "LocalRegionLoss"),
        *("HallucinatedPairLoss", "ClassPairContrastiveLoss"),
        *("RankNContrastLoss", "SupCRLoss", "SupReMixLoss", "FocalContrastiveLoss"),
    ),
    "core.samplers": (
        *("FeatureQueue", "MemoryQueue", "HardNegativeMixing", "Hallucinator", "ClassPairSampler"),
        *("FeatureAwareBatchSampler", "PKBatchSampler", "RedundancyFilter", "OrdinalMixup", "HardPairMixup"),
    ),
    "core.adversarial": ("FGM", "FGSM", "PGD", "VAT", "FreeLB", "SMART", "SiFT"),
    "core.heads": ("ProjectionHead", "PredictionHead", "Prototypes", "FeatureGate", "ReweightingHead"),
    "core.momentum": ("MomentumEncoder",),
    "core.evaluation": ("KnnEvaluator", "LinearProbe", "alignment", "uniformity", "effective_rank", "paired_test"),
    "core.data": ("fetch", "data_root"),
    "core.training": ("fit", "seed_everything"),
    "core.errors": ("UserError",),
    "domains.graphs": ("load_model", "embed"),
}
PLANNED = {
    "core.evaluation": ("recall_at_k", "ndcg_at_k"),
}


LIGHT = (
    *("core", "core.errors", "core.parts", "core.plugins", "core.registry"),
    *("domains.graphs", "domains.graphs.app", "benchmarks.graphs", "benchmarks.losses"),
)
"""What listings and help screens import."""


def modules():
    """Names of all modules of the distribution."""
    found = []
    for root in ("core", "domains", "benchmarks"):
        found.append(root)
        found += [m.name for m in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}.")]
    return found


MODULES = modules()


def own(module):
    """Public classes and functions that the module defines, or that its sub-modules do if it is a package."""
    inside = f"{module.__name__}." if hasattr(module, "__path__") else module.__name__
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and (value.__module__ == module.__name__ or value.__module__.startswith(inside))
    }


def place(name):
    """Constants, then classes, then the rest, as ruff sorts them."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize(("package", "name"), [(p, n) for p, names in STABLE.items() for n in names])
def test_a_stable_name_is_where_it_is_documented(package, name):
    module = importlib.import_module(package)
    assert name in module.__all__
    assert callable(getattr(module, name))


@pytest.mark.parametrize("package", PLANNED)
def test_a_planned_name_is_exported_as_soon_as_it_exists(package):
    defined = {n for m in MODULES if m.startswith(f"{package}.") for n in own(importlib.import_module(m))}
    arrived = defined & set(PLANNED[package])
    assert arrived <= set(importlib.import_module(package).__all__ if arrived else ())


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_true_and_that_of_a_package_complete(name):
    module = importlib.import_module(name)
    names = list(getattr(module, "__all__", []))
    assert names == sorted(set(names), key=place)
    assert all(hasattr(module, n) for n in names)
    if hasattr(module, "__path__"):
        assert own(module) <= set(names)


@pytest.mark.parametrize("name", MODULES)
def test_what_is_public_is_explained(name):
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            text = (vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__) or ""
            # a dataclass without a docstring is given its own signature as one
            assert text.strip()
            assert not text.startswith(f"{public}(")


@pytest.mark.parametrize("name", LIGHT)
def test_looking_around_imports_nothing_heavy(name):
    heavy = ("torch", "lightning", "pandas", "numpy", "sklearn", "torch_geometric", "matplotlib")
    script = f"import sys, {name}; print(*(m for m in {heavy} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
