"""What holds for every batch sampler, and what P classes with K samples and balanced classes are."""

import json
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from core.samplers import ClassBalancedBatchSampler, FeatureAwareBatchSampler, PKBatchSampler

LABELS = torch.arange(7).repeat_interleave(torch.tensor([40, 25, 13, 9, 8, 5, 4])) * 3 - 2
SIZES = torch.unique(LABELS, return_counts=True)[1]


def pk(labels=LABELS, **rest):
    return PKBatchSampler(labels, **{"classes_per_batch": 3, "samples_per_class": 4, **rest})


def balanced(labels=LABELS, **rest):
    return ClassBalancedBatchSampler(labels, **{"batch_size": 12, **rest})


def grouped(labels=LABELS, **rest):
    return FeatureAwareBatchSampler(labels, **{"batch_size": 12, "small_groups": "merge", **rest})


SAMPLERS = [pk, balanced, grouped]
every = pytest.mark.parametrize("make", SAMPLERS)


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


@every
def test_batches_depend_on_seed_and_epoch_only(make):
    first, second, other = make(seed=1), make(seed=1), make(seed=2)
    list(second)
    assert epoch(first, 3) == epoch(second, 3)
    assert epoch(first, 3) == list(first)
    assert epoch(first, 4) != epoch(second, 3)
    assert epoch(first, 3) != epoch(other, 3)
    before = torch.get_rng_state()
    list(first)
    assert torch.equal(torch.get_rng_state(), before)


@every
def test_the_epoch_is_read_when_iteration_begins(make):
    sampler = make()
    expected = epoch(sampler, 1)
    running = iter(sampler)
    sampler.set_epoch(2)
    assert list(running) == expected
    assert sampler.state_dict()["epoch"] == 2


@every
def test_len_is_the_number_of_batches(make):
    for replicas in (None, 2, 3):
        sampler = make(num_replicas=replicas, rank=None if replicas is None else 0)
        assert len(sampler) == len(list(sampler)) > 0


@every
@pytest.mark.parametrize("world", [2, 3, 4, 6])
def test_shares_are_disjoint_equal_and_joined_the_batch_of_one_process(make, world):
    whole = epoch(make(), 5)
    shares = [epoch(make(num_replicas=world, rank=rank), 5) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    for batch, *parts in zip(whole, *shares, strict=True):
        assert {len(part) for part in parts} == {len(batch) // world}
        assert [i for part in parts for i in part] == batch


@every
def test_a_batch_that_processes_cannot_share_is_refused_when_iteration_begins(make):
    sampler = make(num_replicas=5, rank=0)
    with pytest.raises(ValueError, match=r"is 12, which 5 processes cannot share evenly; take 10 or 15"):
        iter(sampler)
    with pytest.raises(ValueError, match=r"13 processes cannot share evenly; take 13$"):
        iter(make(num_replicas=13, rank=0))


@every
def test_resume_in_the_middle_of_an_epoch_is_exact(make):
    whole = make(seed=4)
    expected = [epoch(whole, 2), epoch(whole, 3)]
    cut = make(seed=4)
    cut.set_epoch(2)
    running = iter(cut)
    done = [next(running) for _ in range(2)]
    state = json.loads(json.dumps(cut.state_dict()))
    assert state == {"epoch": 2, "batch": 2, "seed": 4}
    resumed = make(seed=4)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    resumed.set_epoch(2)  # an engine names the epoch again: the place is kept
    assert resumed.epoch == 2
    assert done + list(resumed) == expected[0]
    assert list(resumed) == expected[0]  # a second pass over the epoch is whole
    resumed.set_epoch(3)
    assert list(resumed) == expected[1]


@every
def test_state_after_an_epoch_is_the_start_of_the_next(make):
    sampler = make()
    assert sampler.state_dict() == {"epoch": 0, "batch": 0, "seed": 0}
    list(sampler)
    state = sampler.state_dict()
    assert state == {"epoch": 1, "batch": 0, "seed": 0}
    fresh = make()
    fresh.load_state_dict(state)
    assert list(fresh) == epoch(sampler, 1)
    moved = make()
    moved.load_state_dict({"epoch": 1, "batch": 1, "seed": 0})
    moved.set_epoch(2)  # another epoch begins at its start
    assert list(moved) == epoch(sampler, 2)


@every
def test_a_state_of_another_sampler_is_refused(make):
    with pytest.raises(ValueError, match=r"saved with seed 1, but this sampler has seed 0"):
        make().load_state_dict(make(seed=1).state_dict())
    with pytest.raises(ValueError, match=r"stands at batch 999, but an epoch here has \d+"):
        make().load_state_dict({"epoch": 0, "batch": 999, "seed": 0})
    with pytest.raises(ValueError, match=r"batches_done must be in 0\.\.\d+, the batches of an epoch, got 999"):
        make().state_dict(batches_done=999)


@every
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_data_loader_takes_it_and_resumes_where_training_stood(make, workers):
    """Workers fetch ahead, so the sampler has handed out more than was trained on: the steps are counted."""
    data = TensorDataset(torch.arange(len(LABELS)))
    loader = DataLoader(data, batch_sampler=make(), num_workers=workers)
    loader.batch_sampler.set_epoch(1)
    whole = [batch.tolist() for (batch,) in loader]
    assert len(loader) == len(whole)
    assert whole == epoch(make(), 1)
    running = iter(loader)
    for _ in range(3):
        next(running)
    state = loader.batch_sampler.state_dict(batches_done=3)
    assert state == {"epoch": 1, "batch": 3, "seed": 0}
    del running
    again = DataLoader(data, batch_sampler=make(), num_workers=workers)
    again.batch_sampler.load_state_dict(state)
    assert [batch.tolist() for (batch,) in again] == whole[3:]


@every
@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"seed": -1}, r"seed must be in 0\.\.4294967295, got -1"),
        ({"num_replicas": 2}, r"num_replicas and rank come together, got 2 and None"),
        ({"num_replicas": 0, "rank": 0}, r"num_replicas must be at least 1, got 0"),
        ({"num_replicas": 2, "rank": 2}, r"rank must be in 0\.\.1, got 2"),
    ],
)
def test_settings_that_are_refused(make, settings_, message):
    with pytest.raises(ValueError, match=message):
        make(**settings_)


@every
def test_labels_and_epochs_that_are_refused(make, unchecked):
    with pytest.raises(TypeError, match=r"labels must be int64, got torch\.float32"):
        make(torch.zeros(40))
    with pytest.raises(ValueError, match="labels must have shape"):
        make(torch.zeros(40, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="epoch must be at least 0, got -1"):
        make().set_epoch(-1)


label_lists = st.lists(st.integers(-3, 6), min_size=1, max_size=80).map(torch.tensor)


@settings(deadline=None, max_examples=60)
@given(label_lists, st.integers(1, 4), st.integers(1, 4), st.sampled_from(["drop", "repeat"]), st.integers(0, 99))
def test_pk_batches_have_p_classes_with_k_samples(labels, classes, samples, small, seed):
    values, sizes = torch.unique(labels, return_counts=True)
    usable = values if small == "repeat" else values[sizes >= samples]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if len(usable) < classes:
            with pytest.raises(ValueError, match="classes_per_batch is"):
                pk(labels, classes_per_batch=classes, samples_per_class=samples, small_classes=small)
            return
        sampler = pk(
            labels,
            classes_per_batch=classes,
            samples_per_class=samples,
            small_classes=small,
            seed=seed,
            batches_per_epoch=9,
        )
    batches = list(sampler)
    assert len(batches) == 9
    drawn = torch.zeros(len(labels))
    for batch in batches:
        table = labels[batch].view(classes, samples)
        assert (table == table[:, :1]).all()
        assert len(table[:, 0].unique()) == classes
        assert set(table[:, 0].tolist()) <= set(usable.tolist())
        if small == "drop":
            assert len(set(batch)) == len(batch)
        drawn[batch] += 1
    # classes are dealt from a shuffled deck of which a rest below P is left out
    per_class = torch.stack([drawn[labels == value].sum() / samples for value in usable])
    decks = -(-9 // (len(usable) // classes))
    assert per_class.max() <= decks


def test_pk_uses_all_samples_of_a_class_before_one_comes_again():
    labels = torch.tensor([0] * 12 + [1] * 12)
    sampler = PKBatchSampler(labels, classes_per_batch=2, samples_per_class=4, batches_per_epoch=6)
    counts = torch.bincount(torch.tensor(list(sampler)[:3]).flatten())
    assert counts.tolist() == [1] * 24
    assert torch.bincount(torch.tensor(list(sampler)).flatten()).tolist() == [2] * 24


def test_pk_meets_every_pair_of_a_small_class():
    """A class is shuffled anew for each pass: with fixed hands of 4 of 8, most pairs would never meet."""
    labels = torch.tensor([0] * 8 + [1] * 8)
    sampler = PKBatchSampler(labels, classes_per_batch=2, samples_per_class=4, batches_per_epoch=60)
    met = torch.zeros(8, 8)
    for batch in sampler:
        own = torch.tensor([i for i in batch if i < 8])
        met[own[:, None], own] += 1
    assert (met > 0).all()


def test_pk_repeats_a_small_class_as_evenly_as_it_can():
    labels = torch.tensor([0] * 3 + [1] * 20)
    sampler = PKBatchSampler(labels, classes_per_batch=2, samples_per_class=7, small_classes="repeat")
    for batch in sampler:
        counts = torch.bincount(torch.tensor(batch), minlength=23)[:3]
        assert sorted(counts.tolist()) == [2, 2, 3]


def test_pk_warns_with_the_share_that_is_never_drawn():
    message = r"2 of 7 classes have fewer than 8 samples: 9 of 104 samples \(8\.7%\)"
    with pytest.warns(UserWarning, match=message) as seen:
        sampler = pk(samples_per_class=8)
    assert seen[0].filename == __file__
    assert set(LABELS[[i for batch in sampler for i in batch]].tolist()) == {-2, 1, 4, 7, 10}
    assert len(sampler) == 95 // 24


def test_pk_settings_that_are_refused(unchecked):
    with pytest.raises(ValueError, match=r"only 1 of 7 classes have 30 samples; .* or small_classes='repeat'"):
        pk(samples_per_class=30)
    with pytest.raises(ValueError, match="classes_per_batch must be at least 1"):
        pk(classes_per_batch=0)
    with pytest.raises(ValueError, match="samples_per_class must be at least 1"):
        pk(samples_per_class=0)
    with pytest.raises(ValueError, match="batches_per_epoch must be at least 1"):
        pk(batches_per_epoch=0)
    with pytest.raises(ValueError, match="small_classes must be one of 'drop', 'repeat'"):
        pk(small_classes="keep")


@settings(deadline=None, max_examples=60)
@given(label_lists, st.integers(1, 17), st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 99))
def test_balanced_batches_hold_each_class_by_its_share(labels, size, q, seed):
    values, sizes = torch.unique(labels, return_counts=True)
    expected = size * sizes.double() ** q / (sizes.double() ** q).sum()
    sampler = ClassBalancedBatchSampler(labels, size, q=q, seed=seed, batches_per_epoch=7)
    tables = []
    for batch in sampler:
        assert len(batch) == size
        counts = (labels[batch][:, None] == values).sum(dim=0)
        assert ((counts - expected).abs() < 1 + 1e-9).all()
        times = torch.bincount(torch.tensor(batch), minlength=len(labels))
        for value, count, members in zip(values, counts, sizes, strict=True):
            if count <= members and expected.ceil().max() <= sizes.min():
                assert times[labels == value].max() <= 1
        tables.append(counts)
    assert len(tables) == 7


@pytest.mark.parametrize("q", [0.0, 0.5, 1.0])
def test_balanced_classes_come_in_proportion_to_their_power(q):
    counts = torch.zeros(7)
    sampler = balanced(q=q, batches_per_epoch=2000)
    for batch in sampler:
        counts += torch.bincount((LABELS[batch] + 2) // 3, minlength=7)
    shares = SIZES.double() ** q / (SIZES.double() ** q).sum()
    assert float((counts / counts.sum() - shares).abs().max()) < 0.003


def test_more_classes_than_a_batch_holds_meet_in_all_combinations():
    """With one order of classes for all batches, a comb would pick the same sets again and again."""
    sampler = ClassBalancedBatchSampler(torch.arange(30) % 10, 2, batches_per_epoch=400)
    assert len({frozenset(b % 10 for b in batch) for batch in sampler}) == 45


def test_balanced_settings_that_are_refused():
    with pytest.raises(ValueError, match=r"q must be in \[0, 1\], from class-balanced to plain sampling, got 1\.5"):
        balanced(q=1.5)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        balanced(batch_size=0)
    with pytest.raises(ValueError, match="the number of labels must be at least 1"):
        balanced(torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="batches_per_epoch must be at least 1"):
        balanced(batches_per_epoch=0)
