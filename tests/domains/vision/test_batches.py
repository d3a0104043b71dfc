"""Which images meet in a batch."""

import pytest
import torch

from core.errors import UserError
from core.training import resolve_settings
from domains.vision import METHODS
from domains.vision.batches import SampledLoader, make_loader
from domains.vision.data.images import ImageSet
from domains.vision.task import VisionTask
from tests.domains.vision.test_task import SMALL, images, run


def untrained(data, **settings):
    chosen = resolve_settings(METHODS.settings("simclr"), ("test", {**SMALL, **settings}))
    return VisionTask().build("simclr", chosen, data, torch.Generator().manual_seed(0))


def loader(data, **settings):
    return make_loader(untrained(data, **settings), data, 0)


def test_shuffled_batches_are_full_and_hold_each_image_once():
    batches = list(loader(images(70), batch_size=32))
    index = torch.cat([batch.index for batch in batches])
    assert [len(batch) for batch in batches] == [32, 32]
    assert len(index.unique()) == 64
    data = images(70)
    assert torch.equal(batches[0].images, data.images[batches[0].index])
    assert torch.equal(batches[0].labels, data.labels[batches[0].index])


def test_pk_batches_hold_few_classes_often():
    made = loader(images(90), batch_size=32, sampler="pk", sampler_settings={"classes_per_batch": 2})
    assert isinstance(made, SampledLoader)
    for batch in made:
        assert torch.bincount(batch.labels).unique().tolist() in ([16], [0, 16])


def test_class_balanced_batches_raise_rare_classes():
    data = images(90)
    rare = torch.cat([(data.labels == 0).nonzero().flatten(), (data.labels == 1).nonzero().flatten()[:5]])
    made = loader(data.select(rare), batch_size=32, sampler="class_balanced")
    counts = sum(torch.bincount(batch.labels, minlength=2) for batch in made)
    assert counts[1] > 0.3 * counts.sum()


def test_feature_aware_batches_come_from_one_cluster_of_a_model(tmp_path):
    data = images(120)
    run(data, tmp_path / "run")
    made = loader(
        data,
        batch_size=16,
        sampler="feature_aware",
        sampler_settings={"model": str(tmp_path / "run"), "num_clusters": 3},
    )
    batches = list(made)
    assert batches
    assert len(made) == len(batches)


def test_near_copies_are_left_out():
    draw = torch.Generator().manual_seed(0)
    different = torch.randint(0, 256, (20, 3, 32, 32), generator=draw, dtype=torch.uint8)
    data = ImageSet(torch.cat([different, different]), "twice")
    batches = list(loader(data, batch_size=64, sampler="redundancy", sampler_settings={"threshold": 0}))
    assert [len(batch) for batch in batches] == [20]


def test_epochs_differ_and_repeat():
    made = loader(images(70), batch_size=32, sampler="pk", sampler_settings={"classes_per_batch": 2})
    epochs = []
    for epoch in (0, 1, 0):
        made.set_epoch(epoch)
        epochs.append(torch.cat([batch.index for batch in made]))
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])


def test_what_a_sampler_lacks_is_said():
    bare = ImageSet(images().images, "bare")
    with pytest.raises(UserError, match="the sampler pk needs a label for every training image; bare"):
        loader(bare, sampler="pk")
    with pytest.raises(UserError, match=r"feature_aware needs sampler_settings\.model"):
        loader(images(), sampler="feature_aware")
    with pytest.raises(UserError, match="PKBatchSampler has no setting classes; it has"):
        loader(images(), sampler="pk", sampler_settings={"classes": 2})
    with pytest.raises(UserError, match="leaves 1 training image"):
        make_loader(
            VisionTask().build("simclr", METHODS.settings("simclr")(), images(), torch.Generator()), images(1), 0
        )
