"""MoCo v2: queue, slow copy, samplers and what is logged."""

import pytest
import torch
from torch.nn.functional import normalize

from core.errors import UserError
from core.evaluation import false_negative_share, proxy_accuracy
from core.losses import CropCACRLoss, DCLLoss, InfoNCELoss, MomentumCACRLoss
from core.losses.hallucinated_pairs import HallucinatedPairLoss
from domains.vision.data.images import ImageBatch
from domains.vision.methods.queue_objective import QueueObjective
from tests.domains.vision.methods.frames import Losses, batch, build, encoder_gradient, train

MIXING = {"n_hard": 8, "n_pair": 4, "n_query": 4}


def objective(loss="info_nce", *, size=16, views=2, dim=8, seed=0, **rest):
    draw = torch.Generator().manual_seed(seed)
    settings = rest.pop("loss_settings", {})
    return QueueObjective(loss, settings, temperature=0.2, dim=dim, size=size, views=views, generator=draw, **rest)


def rows(views=1, n=6, seed=0):
    return torch.randn(views, n, 8, generator=torch.Generator().manual_seed(seed))


def test_the_queue_that_holds_the_other_keys_of_the_batch_gives_in_batch_info_nce():
    """Each query against a queue of the five other keys is cross-entropy over all six."""
    query, key = rows(seed=1), rows(seed=2)
    values = []
    for own in range(6):
        made = objective(size=5)
        made.enqueue(key[:, torch.arange(6) != own])
        values.append(made(query[:, own : own + 1], key[:, own : own + 1]))
    torch.testing.assert_close(torch.stack(values).mean(), InfoNCELoss(temperature=0.2)(query[0], key[0]))


def test_a_queue_of_the_positives_gives_log_of_their_number_and_one():
    made = objective(size=7)
    same = torch.ones(1, 7, 8)
    made.enqueue(same)
    torch.testing.assert_close(made(same, same), torch.tensor(8.0).log())


def test_neither_keys_nor_queue_get_a_gradient():
    made = objective()
    query, key = rows(seed=1).requires_grad_(), rows(seed=2).requires_grad_()
    made(query, key).backward()
    assert query.grad.abs().sum() > 0
    assert key.grad is None
    assert not made.queue.rows.requires_grad


def test_each_key_enters_once_after_the_loss_with_unit_length_and_its_class():
    made = objective(size=12)
    key = rows(views=2, seed=2)
    before = made.queue.rows.clone()
    made(rows(views=2), key)
    assert torch.equal(made.queue.rows, before)
    made.enqueue(key, torch.arange(6))
    torch.testing.assert_close(made.queue.rows, normalize(key, dim=-1).flatten(0, 1))
    assert made.labels.rows[:, 0].tolist() == [*range(6), *range(6)]
    key = rows(n=3, seed=3)
    key[0, 1] = float("nan")  # which the queue does not take, and so neither its class
    made.enqueue(key, torch.tensor([7, 8, 9]))
    assert made.labels.rows[:, 0].tolist() == [7, 9, *range(2, 6), *range(6)]
    torch.testing.assert_close(made.queue.rows[:2], normalize(key[0, [0, 2]], dim=-1))


@pytest.mark.parametrize("loss", ["info_nce", "dcl", "dclw"])
def test_the_symmetric_form_is_the_mean_of_both_directions(loss):
    query, key = rows(2, seed=1), rows(2, seed=2)
    both = objective(loss)(query, key)
    one, other = (objective(loss)(query[a : a + 1], key[1 - a : 2 - a]) for a in (0, 1))
    torch.testing.assert_close(both, (one + other) / 2)


def test_losses_of_pairs_have_the_settings_temperature_and_others_their_own():
    assert objective("dcl").loss.temperature == 0.2
    assert objective("dcl", loss_settings={"temperature": 0.5}).loss.temperature == 0.5
    made = objective("dcl")
    expected = DCLLoss(temperature=0.2)(rows(seed=1)[0], rows(seed=2)[0], negatives=made.queue.tensor())
    torch.testing.assert_close(made(rows(seed=1), rows(seed=2)), expected)


def test_cacr_compares_all_views_and_queues_the_last():
    query, key = rows(3, seed=1), rows(3, seed=2)
    made = objective("momentum_cacr", views=3)
    expected = MomentumCACRLoss()(query, key, queue=made.queue.tensor())
    torch.testing.assert_close(made(query, key), expected)
    made.enqueue(key)
    assert made.queue.filled == 6
    torch.testing.assert_close(made.queue.rows[:6], normalize(key[2], dim=-1))
    crop = objective("crop_cacr", views=3)
    by_hand = [CropCACRLoss()(query[others], key[own]) for own, others in enumerate(([1, 2], [0, 2], [0, 1]))]
    torch.testing.assert_close(crop(query, key), torch.stack(by_hand).mean())
    assert crop.queue is None


@pytest.mark.parametrize(("loss", "views"), [("momentum_cacr", 2), ("crop_cacr", 3), ("dclw", 3), ("info_nce", 2)])
@pytest.mark.parametrize("symmetric", [False, True])
def test_every_loss_trains_a_step(loss, views, symmetric):
    method = build("moco", loss=loss, views=views, symmetric=symmetric)
    value = method.training_step(batch(), 0)
    value.backward()
    assert value.isfinite()
    assert encoder_gradient(method) > 0
    assert all(p.grad is None for p in method.target.parameters())


@pytest.mark.parametrize(("ema", "moved"), [(1.0, 0.0), (0.0, 1.0), (0.9, 0.1)])
def test_the_slow_copy_moves_by_one_minus_its_momentum(ema, moved):
    method = build("moco", ema=ema)
    before = [p.clone() for p in method.target.encoder.parameters()]
    with torch.no_grad():
        for p in method.online.parameters():
            p.add_(1.0)
    method.on_train_batch_end(None, None, 0)
    for old, new in zip(before, method.target.encoder.parameters(), strict=True):
        torch.testing.assert_close(new - old, torch.full_like(old, moved))


def test_its_momentum_rises_to_one_at_the_last_step(tmp_path):
    method, _ = train("moco", tmp_path, epochs=2, ema_schedule="cosine")
    assert method.target.total_steps == 16 == int(method.target.steps)
    assert method.target.momentum == 1.0


def test_the_default_queue_is_half_of_few_images_and_4096_of_many():
    assert len(build("moco").objective.queue.rows) == 128
    assert len(build("moco", spec={"num_images": 13000}).objective.queue.rows) == 4096
    assert len(build("moco", queue=300).objective.queue.rows) == 300


def test_mixtures_come_from_real_keys_after_the_warm_up_and_raise_the_loss():
    made = objective(size=32, sampler="hard_negative_mixing", sampler_settings=MIXING, warmup=0.5)
    query, key = rows(seed=1), rows(seed=2)
    plain = objective(size=32)(query, key)
    torch.testing.assert_close(made(query, key), plain)
    made.set_progress(0.5)
    torch.testing.assert_close(made(query, key), plain)  # nothing but the random start to mix
    made.enqueue(rows(n=7, seed=3))
    plain = InfoNCELoss(temperature=0.2)(query[0], key[0], negatives=made.queue.tensor())
    torch.testing.assert_close(made(query, key), plain)  # one key short of n_hard
    made.enqueue(rows(n=1, seed=4))
    plain = InfoNCELoss(temperature=0.2)(query[0], key[0], negatives=made.queue.tensor())
    assert made(query, key) > plain + 0.01
    assert made.queue.filled == 8  # what is mixed is never queued


def test_the_oracle_mixes_other_classes_only():
    """The keys of the query's class are the query itself; without the oracle the mixtures nearly are, too."""
    query = torch.eye(8)[None, :1]
    keys = torch.cat([torch.eye(8)[None, :1].expand(1, 8, 8), -torch.eye(8)[None, :4]], 1)
    cosines = []
    for oracle in (False, True):
        made = objective(
            size=12, sampler="hard_negative_mixing", sampler_settings={**MIXING, "n_hard": 4}, oracle=oracle
        )
        made.enqueue(keys, torch.tensor([0] * 8 + [1] * 4))
        cosines.append(made._mixed(made.mixer, query[0], torch.tensor([0]))[0, :4])  # those without the query
    assert (cosines[0] > 0.99).all()
    assert (cosines[1] <= 0).all()


def test_the_diagnostics_are_those_of_the_core_on_real_keys():
    made = objective(size=32)
    query, key, past = rows(seed=1), rows(seed=2), rows(n=9, seed=3)
    labels, others = torch.arange(6) % 2, torch.arange(9) % 2
    assert made.watch(query, key, labels) == {}
    made.enqueue(past, others)
    found = made.watch(query, key, labels)
    bank = normalize(past[0], dim=-1)
    assert found["proxy accuracy"] == proxy_accuracy(query[0], key[0], bank)
    assert found["false-negative share"] == false_negative_share(query[0], bank, labels, others, n_hard=128)
    assert "false-negative share" not in made.watch(query, key, None)
    assert "false-negative share" not in made.watch(query, key, torch.full((6,), -1))


def test_the_log_has_them_in_the_steps_that_are_logged(tmp_path):
    _, losses = train("moco", tmp_path, epochs=1, log_every=4)
    names = {"proxy accuracy", "false-negative share", "uniformity", "alignment"}
    assert not names & losses.logged[2].keys()
    assert names <= losses.logged[3].keys()
    assert 0 <= losses.logged[3]["proxy accuracy"] <= 1
    assert losses.logged[3]["uniformity"] < 0
    assert 0 <= losses.logged[3]["alignment"] <= 4


def test_hallucinated_pairs_are_logged_and_every_key_is_queued_once(tmp_path):
    method, losses = train("moco", tmp_path, epochs=1, sampler="hallucinator", queue=512, callbacks=[Losses()])
    assert isinstance(method.objective.loss, HallucinatedPairLoss)
    assert method.objective.queue.filled == 256
    expected = {"hallucinated loss", "cosine of pairs", "cosine of hallucinated pairs", "cosine of copies"}
    assert expected | {"hallucinated spread"} <= losses.logged[-1].keys()


def test_labels_are_not_needed():
    known = batch()
    method = build("moco", spec={"num_classes": 0})
    assert method.training_step(ImageBatch(known.images, known.index), 0).isfinite()
    assert method.objective.labels.rows[:32].eq(-1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "vicreg"}, "VICRegLoss takes no queue of negatives; InfoNCELoss"),
        ({"loss": "nt_xent"}, "NTXentLoss takes no queue of negatives"),
        ({"loss": "crop_cacr"}, "take views=3, not 2"),
        ({"loss": "crop_cacr", "views": 3}, "CropCACRLoss compares with the keys of the batch; leave queue at 0"),
        ({"loss_settings": {"reduction": "none"}}, "must give one number"),
        ({"sampler": "memory_queue"}, "moco has a queue of its own"),
        ({"sampler": "hallucinator", "loss": "momentum_cacr"}, "the sampler Hallucinator works on pairs"),
        ({"sampler": "hard_negative_mixing"}, "n_hard is 128, but the queue holds 64 keys"),
        ({"sampler": "hard_negative_mixing", "sampler_settings": {"n_hrd": 1}}, "has no setting n_hrd"),
        ({"sampler_settings": {"n_hard": 1}}, "sampler_settings are given, but no sampler"),
        ({"oracle": True}, "oracle chooses which negatives are mixed"),
        ({"ema": 1.5}, "ema must be in"),
        ({"ema": -0.1}, "ema must be in"),
        ({"queue": -1}, "queue must be at least 0"),
        ({"temperature": 0.0}, "temperature must be finite and > 0"),
        ({"mixing_warmup": 1.0}, "mixing_warmup must be in"),
    ],
)
def test_what_cannot_be_is_said_by_name(settings, message):
    with pytest.raises(UserError, match=message):
        build("moco", **{"queue": 64, **settings})


def test_the_oracle_says_what_labels_it_lacks():
    settings = {"sampler": "hard_negative_mixing", "sampler_settings": MIXING, "oracle": True, "queue": 32}
    with pytest.raises(UserError, match="oracle needs images of two classes or more, there are 0"):
        build("moco", spec={"num_classes": 0}, **settings)
    method = build("moco", mixing_warmup=0.0, **settings)
    method.training_step(batch(), 0)
    known = batch()
    with pytest.raises(UserError, match="oracle needs a label for every image"):
        method.training_step(ImageBatch(known.images, known.index), 0)
    alone = ImageBatch(known.images, known.index, torch.zeros(32, dtype=torch.int64))
    method.objective.labels.rows.zero_()
    with pytest.raises(UserError, match="oracle finds no two keys of other classes"):
        method.training_step(alone, 0)
