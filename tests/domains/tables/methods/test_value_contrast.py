from pathlib import Path

import numpy as np
import pytest
import torch

from core.training import FitSettings, fit, load_method, save_method
from domains.tables import METHODS
from domains.tables.augment import SemanticAugmenter
from domains.tables.methods.value_contrast import ValueContrast, ValueContrastSettings
from domains.tables.methods.value_perturbation import ValuePerturbation
from tests.domains.tables.methods.people import people

QUIET = FitSettings(progress=False)


def texts() -> list[str]:
    table, _ = people(80)
    return table.frame["name"].unique().tolist() + table.frame["address"].unique().tolist()


def made(**settings: object) -> ValueContrast:
    return ValueContrast(
        ValueContrastSettings(**{"width": 32, "buckets": 4096, "batch_size": 32, **settings}),
        generator=torch.Generator().manual_seed(0),
    )


def hits(net: ValueContrast, values: list[str]) -> float:
    """Share of changed values whose nearest value is the one that they come from."""
    changed = ValuePerturbation(most=3, semantic=SemanticAugmenter()).values(values, np.random.default_rng(99))
    return float(((net.encode(changed) @ net.encode(values).T).argmax(axis=1) == np.arange(len(values))).mean())


@pytest.mark.slow
def test_training_beats_its_start_and_survives_saving(tmp_path: Path):
    values = texts()
    net = made(epochs=8, lr=5e-3)
    net.network.learn_rarity(values)
    before = hits(net, values)
    fit(
        net,
        net.loader(values, ValuePerturbation(semantic=SemanticAugmenter()), 0),
        folder=tmp_path / "run",
        settings=QUIET,
    )
    assert hits(net.eval(), values) > before + 0.02
    save_method(net, tmp_path / "model", {})
    again = load_method(tmp_path / "model", METHODS)
    assert isinstance(again, ValueContrast)
    assert np.array_equal(again.encode(values), net.encode(values))


def test_batches_are_new_in_each_epoch_and_repeatable():
    net, values = made(), texts()
    loader = net.loader(values, ValuePerturbation(semantic=None), 3)

    def epoch(number: int) -> list[np.ndarray]:
        loader.set_epoch(number)
        return [changed.indices for _, changed in loader]

    assert len(epoch(0)) == len(loader) == len(values) // 32
    assert all(np.array_equal(a, b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not np.array_equal(epoch(0)[0], epoch(1)[0])


def test_few_values_make_one_batch_and_many_are_limited():
    assert len(made().loader(["a", "b"], ValuePerturbation(semantic=None), 0)) == 1
    assert len(made(values=64).loader([str(i) for i in range(500)], ValuePerturbation(semantic=None), 0)) == 2


def test_embed_is_encode():
    net = made()
    assert np.array_equal(net.embed(["a", "b"]).numpy(), net.encode(["a", "b"]))


@pytest.mark.parametrize(
    ("name", "value"), [("width", 0), ("buckets", 0), ("batch_size", 1), ("values", 1), ("temperature", 0.0)]
)
def test_settings_out_of_range_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=name):
        ValueContrastSettings(**{name: value})
