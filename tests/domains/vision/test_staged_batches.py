"""Batches of multistage training: groups, the length of an epoch, state."""

import pytest
import torch

from core.errors import UserError
from core.training.loader import shuffled
from domains.vision.data.images import ImageSet
from domains.vision.staged_batches import StagedLoader


def numbered(count=60):
    """Images whose index is all that matters."""
    return ImageSet(torch.zeros(count, 3, 4, 4, dtype=torch.uint8), "numbered")


def make(count=60, batch_size=8, **settings):
    return StagedLoader(numbered(count), batch_size, 3, **{"num_clusters": 2, "small_groups": "merge"} | settings)


def rows(loader, epoch=0):
    loader.set_epoch(epoch)
    return [batch.index.tolist() for batch in loader]


def test_stage_0_is_the_ordinary_loader():
    data = numbered()
    plain = shuffled(len(data), 8, 3, data.batch, drop_last=True)
    plain.set_epoch(5)
    loader = make()
    assert loader.stage == 0
    assert loader.unseen == 0
    assert rows(loader, 5) == [batch.index.tolist() for batch in plain]


def test_later_batches_lie_in_one_joint_cluster_of_all_stages():
    first = torch.arange(60) % 2
    second = (torch.arange(60) // 30) % 2
    loader = make(batch_size=5)
    loader.begin_stage(first)
    assert all(len({int(first[i]) for i in batch}) == 1 for batch in rows(loader))
    loader.begin_stage(second)
    assert loader.stage == 2
    pairs = {i: (int(first[i]), int(second[i])) for i in range(60)}
    for epoch in range(3):
        for batch in rows(loader, epoch):
            # the released code forgets `first`: then batches of one `second` mix both of its values
            assert len({pairs[i] for i in batch}) == 1
    assert int(loader.groups.max()) == 3


def test_an_epoch_is_as_long_in_every_stage_and_passes_follow_each_other():
    loader = make(count=50, batch_size=8)
    length = len(loader)
    assert length == 6
    loader.begin_stage((torch.arange(50) < 20).long())  # 20 and 30 images: 2 + 3 batches a pass
    stream = [batch for epoch in range(5) for batch in rows(loader, epoch)]
    assert len(stream) == 5 * length
    for number in range(6):
        batches = stream[5 * number : 5 * number + 5]
        seen = [i for batch in batches for i in batch]
        assert len(seen) == len(set(seen)) == 40  # without replacement within a pass
    assert stream[:5] != stream[5:10]


def test_epochs_depend_on_their_number_only():
    one, other = make(), make()
    for loader in (one, other):
        loader.begin_stage(torch.arange(60) % 2)
    for epoch in range(4):
        rows(one, epoch)
    assert rows(one, 4) == rows(other, 4)


def test_the_clusters_bring_another_loader_into_the_same_stage():
    one, other = make(), make()
    one.begin_stage(torch.arange(60) % 2)
    one.begin_stage(torch.arange(60) // 30)
    iterator = iter(other)  # before its stage is known, as when a run is resumed
    for clusters in one.clusters:
        other.begin_stage(clusters)
    assert other.stage == 2
    assert [batch.index.tolist() for batch in iterator] == rows(one, 0)
    assert rows(other, 7) == rows(one, 7)


def test_the_share_of_dropped_images_is_known_and_logged(caplog):
    loader = make(small_groups="drop")
    with caplog.at_level("INFO"):
        loader.begin_stage((torch.arange(60) < 6).long())
    assert loader.unseen == pytest.approx(0.1)
    assert "stage 1: 1 groups of images, 10.0 % never seen" in caplog.text
    assert not {i for epoch in range(8) for batch in rows(loader, epoch) for i in batch} & set(range(6))


def test_fewer_images_than_a_batch_make_one_batch_in_every_stage():
    loader = make(count=10, batch_size=64)
    loader.begin_stage(torch.arange(10) % 2)
    assert [sorted(batch) for batch in rows(loader)] == [list(range(10))]


def test_bad_input_is_named():
    with pytest.raises(UserError, match="60 training images, fewer than num_clusters=61"):
        make(num_clusters=61)
    loader = make(batch_size=32, small_groups="drop")
    with pytest.raises(UserError, match=r"stage 1: no group reaches 32 samples.*small_groups='merge'"):
        loader.begin_stage(torch.arange(60) % 2)
    assert loader.stage == 0
    with pytest.raises(ValueError, match="20"):
        make().begin_stage(torch.arange(20) % 2)
    with pytest.raises(ValueError, match=r"must be in 0\.\.1, got 0\.\.59"):
        make().begin_stage(torch.arange(60))
