"""Batches of one group, joint labels of several stages, and the clustering between them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.samplers import FeatureAwareBatchSampler, cluster_features, joint_labels
from core.training import shuffled

SIZES = torch.tensor([30, 3, 17, 5, 4, 22, 1])
LABELS = torch.arange(7).repeat_interleave(SIZES)[torch.randperm(82, generator=torch.Generator().manual_seed(0))]


def make(labels=LABELS, size=8, **rest):
    return FeatureAwareBatchSampler(labels, size, **rest)


@pytest.mark.filterwarnings("ignore:.*are never seen")
@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.integers(0, 5), min_size=12, max_size=90).map(torch.tensor),
    st.integers(2, 12),
    st.booleans(),
    st.sampled_from(["drop", "merge", "smaller_batch"]),
    st.sampled_from(["round_robin", "shuffled"]),
    st.sampled_from([1, 2, 3]),
)
def test_batches_are_of_one_group_and_without_replacement(labels, size, drop_last, small, order, world):
    size *= world
    sizes = torch.unique(labels, return_counts=True)[1]
    nothing = {"drop": sizes.max() < size, "merge": len(labels) < size, "smaller_batch": sizes.max() < 2}[small]
    if nothing:
        with pytest.raises(ValueError, match="no group reaches"):
            make(labels, size, small_groups=small)
        return
    settings_ = {"drop_last": drop_last, "small_groups": small, "order": order}
    parts = [make(labels, size, **settings_, num_replicas=world, rank=rank) for rank in range(world)]
    joined = [[i for part in shares for i in part] for shares in zip(*parts, strict=True)]
    assert len(joined) == len(parts[0])
    seen = [i for batch in joined for i in batch]
    assert len(set(seen)) == len(seen)
    groups = parts[0].groups
    for batch in joined:
        assert len(groups[batch].unique()) == 1
        assert int(groups[batch][0]) >= 0
        assert 2 <= len(batch) <= size
        assert len(batch) % world == 0
        if small == "drop" and drop_last:
            assert len(batch) == size
        if small != "merge":
            assert len(labels[batch].unique()) == 1
    if small == "merge":
        assert groups.bincount().min() >= size  # every sample has its chance
        assert len(groups[groups >= 0]) == len(labels)


def test_small_groups_are_dropped_with_a_warning_of_their_share():
    with pytest.warns(UserWarning, match=r"4 of 7 groups are smaller than 8: 13 of 82 samples \(15\.9%\)") as seen:
        sampler = make()
    assert seen[0].filename == __file__
    assert set(LABELS[[i for batch in sampler for i in batch]].tolist()) == {0, 2, 5}
    assert (sampler.groups >= 0).sum() == 69
    assert set(LABELS[sampler.groups < 0].tolist()) == {1, 3, 4, 6}


def test_small_groups_join_the_next_until_they_fill_a_batch():
    """3 + 5 fill a batch of 8, 4 + 1 do not and join them; large groups stay as they are."""
    sampler = make(small_groups="merge")
    joined = {int(value): set(LABELS[sampler.groups == value].tolist()) for value in sampler.groups.unique()}
    assert sorted(map(sorted, joined.values())) == [[0], [1, 3, 4, 6], [2], [5]]
    alone = make(torch.tensor([0] * 20 + [1] * 3 + [2] * 12), small_groups="merge")
    assert alone.groups.bincount().tolist() == [20, 15]  # the smallest of the large ones takes them in


def test_small_groups_as_smaller_batches():
    with pytest.warns(UserWarning, match=r"1 of 7 groups are smaller than 2: 1 of 82 samples"):
        sampler = make(small_groups="smaller_batch")
    sizes = sorted(len(batch) for batch in sampler)
    assert sizes == sorted([8] * (3 + 2 + 2) + [3, 5, 4])
    with pytest.warns(UserWarning, match="1 of 82 samples"):
        sampler = make(small_groups="smaller_batch", drop_last=False)
    assert sorted(len(batch) for batch in sampler) == sorted([8] * 7 + [3, 5, 4] + [30 % 8, 22 % 8])  # 17 % 8 = 1 row


@pytest.mark.filterwarnings("ignore:.*are never seen")
def test_round_robin_takes_a_batch_of_every_group_in_turn():
    sampler = make(size=4, drop_last=True)
    for number in range(3):
        sampler.set_epoch(number)
        turns = [int(LABELS[batch[0]]) for batch in sampler]
        left = {int(g): int(s) // 4 for g, s in enumerate(SIZES) if s >= 4}
        sequence = turns[: len(left)]
        expected = []
        while left:
            for group in [g for g in sequence if g in left]:
                expected.append(group)
                left[group] -= 1
                if left[group] == 0:
                    del left[group]
        assert turns == expected
    orders = []
    for number in range(6):
        sampler.set_epoch(number)
        orders.append(tuple(int(LABELS[batch[0]]) for batch in sampler)[:5])
    assert len(set(orders)) > 1


@pytest.mark.filterwarnings("ignore:.*are never seen")
def test_shuffled_order_has_the_batches_of_all_groups_anywhere():
    sampler = make(size=4, order="shuffled")
    turns = [int(LABELS[batch[0]]) for batch in sampler]
    assert sorted(turns) == sorted(int(LABELS[batch[0]]) for batch in make(size=4))
    last = []
    for number in range(20):
        sampler.set_epoch(number)
        last.append(int(LABELS[list(sampler)[-1][0]]))
    assert len(set(last)) > 2  # round robin would end with the largest group


def test_one_group_is_the_plain_loader():
    """K = 1 makes a later stage a plain run, batch for batch."""
    sampler = make(torch.zeros(100, dtype=torch.int64), 16, drop_last=False, seed=3)
    plain = shuffled(100, 16, 3, lambda index: index.tolist())
    for number in (0, 4):
        sampler.set_epoch(number)
        plain.set_epoch(number)
        assert list(sampler) == list(plain)
    assert len(sampler) == len(plain) == 7


def test_other_tails_are_left_out_in_each_epoch():
    sampler = make(torch.zeros(20, dtype=torch.int64), 8)
    seen = set()
    for number in range(10):
        sampler.set_epoch(number)
        seen |= {i for batch in sampler for i in batch}
    assert seen == set(range(20))


def test_settings_that_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"no group reaches 40 samples: 82 samples in 7 groups, the largest of 30"):
        make(size=40)
    with pytest.raises(ValueError, match="no group reaches 8 samples: 0 samples"):
        make(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="batch_size must be at least 2, got 1: the negatives of a row"):
        make(size=1)
    with pytest.raises(ValueError, match="small_groups must be one of"):
        make(small_groups="keep")
    with pytest.raises(ValueError, match="order must be one of"):
        make(order="sorted")


def test_joint_labels_by_hand():
    first, second = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1])
    assert joint_labels([first, second], 2).tolist() == [1, 2, 3]
    assert joint_labels([first, second, second], 3, compact=True).tolist() == [0, 1, 2]
    assert joint_labels([second], 2).tolist() == [1, 0, 1]
    assert joint_labels([torch.zeros(4, dtype=torch.int64)] * 3, 1).tolist() == [0] * 4


def test_joint_labels_do_not_forget_earlier_stages():
    """The released script adds up the last stage's clusters for all stages, 3, 0, 3: it merges samples 0 and 2."""
    first, second = torch.tensor([0, 1, 1]), torch.tensor([1, 0, 1])
    released = sum(second * 2**r for r in range(2))
    assert released.tolist() == [3, 0, 3]
    ours = joint_labels([first, second], 2)
    assert ours[0] != ours[2]
    assert not torch.equal(ours, released)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 30), st.integers(0, 99), st.booleans())
def test_joint_labels_are_equal_where_all_stages_are(clusters, stages, count, seed, compact):
    draw = torch.Generator().manual_seed(seed)
    labels = list(torch.randint(clusters, (stages, count), generator=draw))
    joint = joint_labels(labels, clusters, compact=compact)
    rows = torch.stack(labels, dim=1)
    same = (rows[:, None] == rows).all(dim=2)
    assert torch.equal(joint[:, None] == joint, same)
    assert 0 <= int(joint.min()) <= int(joint.max()) < clusters**stages
    if compact:
        assert torch.equal(joint.unique(), torch.arange(len(joint.unique())))
        assert torch.equal(joint.argsort(stable=True), joint_labels(labels, clusters).argsort(stable=True))


def test_compact_joint_labels_do_not_overflow():
    draw = torch.Generator().manual_seed(0)
    labels = list(torch.randint(1000, (8, 50), generator=draw))
    with pytest.raises(ValueError, match=r"1000\^8 joint labels are more than int64 holds; pass compact=True"):
        joint_labels(labels, 1000)
    assert torch.equal(joint_labels(labels, 1000, compact=True).sort().values, torch.arange(50))


def test_joint_labels_that_are_refused(unchecked):
    good = torch.tensor([0, 1])
    with pytest.raises(ValueError, match="the number of stages must be at least 1"):
        joint_labels([], 2)
    with pytest.raises(ValueError, match=r"labels\[1\] must be in 0\.\.1, got 0\.\.2"):
        joint_labels([good, torch.tensor([0, 2])], 2)
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\)"):
        joint_labels([good, torch.tensor([0, 1, 1])], 2)
    with pytest.raises(ValueError, match="num_clusters must be at least 1"):
        joint_labels([good], 0)
    with pytest.raises(TypeError, match="labels must be int64"):
        joint_labels([good.float()], 2)


def test_clusters_are_found_by_direction_not_by_length():
    """k-means on the rows as they are would split by length: half of them are 100 times as long."""
    draw = torch.Generator().manual_seed(0)
    truth = torch.arange(300) % 3
    centres = torch.eye(3, 6)[truth]
    rows = centres + 0.05 * torch.randn(300, 6, generator=draw)
    rows = rows * torch.where(torch.rand(300, generator=draw) < 0.5, 1.0, 100.0)[:, None]
    found = cluster_features(rows, 3)
    assert found.dtype == torch.int64
    assert len({(int(a), int(b)) for a, b in zip(truth, found, strict=True)}) == 3
    assert torch.equal(found, cluster_features(rows, 3))
    small_batches = cluster_features(rows.requires_grad_(), 3, batch_size=32)
    assert len(set(zip(truth.tolist(), small_batches.tolist(), strict=True))) == 3


def test_clusters_of_equal_rows_are_one():
    assert len(cluster_features(torch.ones(20, 3), 4).unique()) == 1


def test_features_that_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"num_clusters must be at least 2, got 1: one cluster is a plain run"):
        cluster_features(torch.ones(5, 2), 1)
    with pytest.raises(ValueError, match=r"the number of rows must be at least 10, got 5: every cluster needs one"):
        cluster_features(torch.ones(5, 2))
    with pytest.raises(ValueError, match="features must be finite, but 1 of 5 rows are not"):
        cluster_features(torch.ones(5, 2).index_fill(0, torch.tensor([1]), torch.nan), 2)
    with pytest.raises(ValueError, match="max_iter must be at least 1"):
        cluster_features(torch.ones(5, 2), 2, max_iter=0)
    with pytest.raises(TypeError, match="features must be a floating tensor"):
        cluster_features(torch.ones(5, 2, dtype=torch.int64), 2)
