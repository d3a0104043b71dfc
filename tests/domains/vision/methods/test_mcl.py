"""MCL: stages that follow each other in one run, their groups, resume and the joined embedding."""

from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Callback

from core.errors import UserError
from core.losses import CosineSchedule
from core.training import FitSettings, fit, load_method, resolve_settings, save_method
from core.training.loader import shuffled
from domains.vision import METHODS
from domains.vision.batches import make_loader
from domains.vision.data.embedded import embedded
from domains.vision.methods import mcl
from domains.vision.methods.mcl import MCL, MCLSettings
from domains.vision.methods.simclr import SimCLR, SimCLRSettings
from domains.vision.task import VisionTask

NET = {"width": 4, "depth": 10, "stem": "medium", "batch_size": 16, "projection": 16, "warmup": 0.5}
SPEC = {"size": 8, "mean": [0.3] * 3, "std": [0.4] * 3, "num_images": 96, "grey": True}
QUIET = FitSettings(progress=False, checkpoint_seconds=0.0, log_every=1)


@pytest.fixture(scope="module")
def digits():
    return embedded("digits").select(torch.arange(96))


def build(kind=MCL, seed=0, **settings):
    torch.manual_seed(seed)
    made = MCLSettings if kind is MCL else SimCLRSettings
    defaults = {"epochs": 6, "num_clusters": 3} if kind is MCL else {"epochs": 2}
    return kind(made(**{**NET, **defaults, **settings}), generator=torch.Generator().manual_seed(seed), **SPEC)


def train(method, data, folder, *, callbacks=(), resume=False):
    torch.manual_seed(1)
    return fit(method, make_loader(method, data, 0), folder=folder, settings=QUIET, callbacks=callbacks, resume=resume)


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    """Three stages of two epochs, with the groups and the labels of every batch."""
    log = Watched()
    method = build()
    folder = tmp_path_factory.mktemp("mcl")
    train(method, digits, folder, callbacks=[log])
    return method, log, folder


class Watched(Callback):
    """Keep the batches of each epoch, and the clusters of the loader after it."""

    def __init__(self):
        self.batches, self.clusters, self.rates = [], [], []

    def on_train_epoch_start(self, trainer, pl_module):
        self.batches.append([])

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches[-1].append(batch.index)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_end(self, trainer, pl_module):
        self.clusters = trainer.train_dataloader.clusters


class Stop(Callback):
    """Die at the start of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise RuntimeError("killed")


def equal(one, other):
    left, right = one.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) for name in left)


def test_stage_0_is_simclr_bit_for_bit(trained, digits, tmp_path):
    simclr = build(SimCLR)
    train(simclr, digits, tmp_path)
    assert equal(simclr.encoder, trained[0].earlier[0])


def test_one_stage_is_simclr_bit_for_bit(digits, tmp_path):
    simclr, one = build(SimCLR), build(stages=1, epochs=2)
    train(simclr, digits, tmp_path / "simclr")
    train(one, digits, tmp_path / "one")
    assert equal(simclr.encoder, one.encoder)
    assert equal(simclr.head, one.head)
    assert torch.allclose(one.embed(digits.images), torch.nn.functional.normalize(simclr.embed(digits.images)))


def test_batches_lie_in_one_joint_cluster_of_the_stages_before(trained):
    _, log, _ = trained
    assert [len(epoch) for epoch in log.batches] == [6] * 6
    assert [len(clusters) for clusters in log.clusters] == [96, 96]
    assert {int(c) for c in log.clusters[0]} <= {0, 1, 2}
    big = torch.stack(log.clusters, 1)
    sizes = {tuple(row.tolist()): int((big == row).all(1).sum()) for row in big}
    for epoch in log.batches[2:4]:
        for rows in epoch:
            kinds = log.clusters[0][rows].unique()
            # groups below a batch are merged; a group that fills one stays by itself
            assert len(kinds) == 1 or all(int((log.clusters[0] == k).sum()) < 16 for k in kinds)
    for epoch in log.batches[4:]:
        for rows in epoch:
            groups = {tuple(row.tolist()) for row in big[rows]}
            assert len(groups) == 1 or any(sizes[group] < 16 for group in groups)


def test_clusters_come_from_the_stage_that_has_ended(trained, digits):
    method, log, _ = trained
    for stage, clusters in enumerate(log.clusters):
        features = method.embed_stage(digits.images, f"stage:{stage}")
        assert torch.equal(clusters, mcl.cluster_features(features, 3, seed=0))


def test_finished_encoders_stay_and_differ(trained):
    method, _, _ = trained
    assert int(method.stage) == 2
    assert not any(p.requires_grad for p in method.earlier.parameters())
    assert not equal(method.earlier[0], method.earlier[1])
    assert not equal(method.earlier[1], method.encoder)


def test_the_schedule_begins_anew_in_each_stage(trained):
    rates = torch.tensor(trained[1].rates).view(3, 12)
    assert torch.equal(rates[0], rates[1])
    assert torch.equal(rates[0], rates[2])
    assert rates[0, 3] == pytest.approx(1e-3)  # half an epoch of warm-up
    assert rates[0, 11] < 5e-5


def test_cosines_of_joined_rows_are_the_mean_of_the_stages(trained, digits):
    method, _, _ = trained
    images = digits.images[:20]
    joined = method.embed(images)
    assert joined.shape == (20, 3 * method.out_dim)
    apart = [torch.nn.functional.normalize(method.embed_stage(images, f"stage:{t}")) for t in range(3)]
    cosines = torch.stack([u @ u.T for u in apart])
    assert torch.allclose(joined @ joined.T, cosines.mean(0), atol=1e-6)
    two = method.embed_first(images, 2)
    assert torch.allclose(two @ two.T, cosines[:2].mean(0), atol=1e-6)
    assert torch.equal(method.embed_stage(images, "stage:2"), method.embed_stage(images, "backbone"))


def test_raw_concatenation_lets_longer_features_weigh_more(digits):
    method = build(integration="concat_raw")
    method.stage += 1
    with torch.no_grad():
        method.earlier[0].layers[-1].path[-1].weight.fill_(3.0)
    raw = torch.cat([method.embed_stage(digits.images, f"stage:{t}") for t in range(2)], 1)
    assert torch.allclose(method.embed(digits.images), torch.nn.functional.normalize(raw), atol=1e-6)


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_resume_is_exact_at_and_after_a_border(trained, digits, tmp_path, epoch):
    with pytest.raises(RuntimeError, match="killed"):
        train(build(), digits, tmp_path, callbacks=[Stop(epoch)])
    log = Watched()
    torch.manual_seed(99)  # whatever a new process begins with
    resumed = build(seed=5)
    train(resumed, digits, tmp_path, callbacks=[log], resume=True)
    whole, reference, folder = trained
    assert equal(resumed, whole)
    assert all(
        torch.equal(a, b)
        for mine, theirs in zip(log.batches, reference.batches[epoch:], strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )
    assert (tmp_path / "metrics.csv").read_text() == (folder / "metrics.csv").read_text()


def test_the_share_of_unseen_images_is_logged(trained, digits, tmp_path):
    rows = (trained[2] / "metrics.csv").read_text().splitlines()
    assert [float(row.split(",")[3]) for row in rows if ",unseen share," in row] == [0.0] * 4
    dropping = build(small_groups="drop", num_clusters=8, stages=2, epochs=2)
    log = Watched()
    train(dropping, digits, tmp_path, callbacks=[log])
    counts = log.clusters[0].bincount()
    assert 0 < int(counts[counts < 16].sum()) < 96
    row = next(r for r in (tmp_path / "metrics.csv").read_text().splitlines() if ",unseen share," in r)
    assert float(row.split(",")[3]) == pytest.approx(int(counts[counts < 16].sum()) / 96)


def test_artifact_round_trip(trained, digits, tmp_path):
    method, _, _ = trained
    save_method(method, tmp_path / "model", {})
    again = load_method(tmp_path / "model", METHODS)
    assert torch.equal(again.embed(digits.images), method.embed(digits.images))
    assert again.embedding_stages == ("stage:0", "stage:1", "stage:2")


def test_what_stages_start_from(digits, tmp_path):
    starts = {}

    class Starts(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            rows = torch.cat(
                [p.detach().flatten() for p in (*pl_module.encoder.parameters(), *pl_module.head.parameters())]
            )
            starts.setdefault(pl_module.settings.init, []).append(rows.clone())
            assert pl_module.current_epoch == 0 or not trainer.optimizers[0].state

    for init in ("scratch", "previous", "base"):
        method = build(init=init, stages=2, epochs=2)
        with torch.no_grad():
            method.encoder.layers[0].weight.mul_(1.5)  # pretrained weights come after the module is made
        train(method, digits, tmp_path / init, callbacks=[Starts()])
        ended = torch.cat([p.flatten() for p in method.earlier[0].parameters()])
        begun = starts[init][1][: len(ended)]
        assert torch.equal(begun, ended) == (init == "previous")
        assert torch.equal(*starts[init]) == (init == "base")


def test_the_loss_starts_anew_and_counts_the_epochs_of_its_stage(digits, tmp_path):
    seen = []

    class Losses(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                loss = pl_module.objective.loss
                seen.append((int(loss.partition.visited.sum()), round(loss.gamma(int(loss.epoch)), 6)))

    loss = {"loss": "SogCLRLoss", "loss_settings": {"gamma": CosineSchedule(start=1.0, end=0.2, epochs=2)}}
    train(build(**loss, stages=2, epochs=4), digits, tmp_path, callbacks=[Losses()])
    assert [gamma for _, gamma in seen] == [1.0, 0.6] * 2
    assert [visited for visited, _ in seen[:3]] == [0, 96, 0]
    assert 0 < seen[3][0] <= 96


def test_trains_from_the_registry_and_is_scored_as_any_method(tmp_path):
    task = VisionTask()
    data = task.load("digits").select(torch.arange(200))
    data = replace(data, test=torch.arange(200) >= 150)
    settings = resolve_settings(METHODS.settings("mcl"), ("test", {**NET, "epochs": 2, "stages": 2, "num_clusters": 2}))
    method = task.build("mcl", settings, data, torch.Generator().manual_seed(0))
    evaluation = task.evaluation_settings()
    loader = task.loader(method, data, evaluation, 0)
    fit(method, loader, folder=tmp_path, settings=QUIET, callbacks=task.callbacks(method, data, evaluation, 0))
    assert 0 < task.evaluate(method, data, evaluation, 0)["accuracy"] <= 1


def test_before_the_second_stage_the_present_encoder_embeds(digits):
    method = build(epochs=0)
    with torch.no_grad():
        method.encoder.layers[0].weight.neg_()
    features = torch.nn.functional.normalize(method.embed_stage(digits.images, "backbone"))
    assert torch.allclose(method.embed(digits.images), features)
    assert not torch.allclose(method.frozen(digits.images, method.earlier[0]), features)
    assert method.embedding_stages == ("stage:0",)
    assert method.embed(digits.images).shape == (96, method.out_dim)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": 0}, "stages must be at least 1"),
        ({"num_clusters": 1}, "num_clusters must be at least 2"),
        ({"epochs": 10, "stages": 3}, "multiple of stages=3, got 10"),
        ({"init": "old"}, "init must be"),
        ({"integration": "sum"}, "integration must be"),
        ({"small_groups": "keep"}, "small_groups must be"),
        ({"sampler": "memory_queue"}, "sampler must be none"),
        ({"sampler": "pk"}, "sampler must be none"),
    ],
)
def test_bad_settings_are_named(settings, message, unchecked):
    with pytest.raises(ValueError, match=message):
        MCLSettings(**settings)


def test_bad_use_is_named(digits, tmp_path):
    with pytest.raises(UserError, match="fewer than num_clusters=97"):
        build(num_clusters=97).loader(digits, 0)
    method = build()
    with pytest.raises(ValueError, match="stages must be"):
        method.embed_first(digits.images, 2)
    with pytest.raises(ValueError, match="stage must be"):
        method.embed_stage(digits.images, "stage:1")
    plain = shuffled(96, 16, 0, digits.batch)
    with pytest.raises(TypeError, match=r"trains on mcl\.loader"):
        fit(method, plain, folder=tmp_path, settings=QUIET)


@pytest.mark.slow
def test_learns_to_tell_digits_apart(tmp_path):
    data = embedded("digits")
    task, evaluation = VisionTask(), VisionTask.evaluation_settings(online_every=0)
    scores = []
    for epochs in (0, 9):
        torch.manual_seed(0)
        values = {**NET, "width": 8, "stem": "small", "batch_size": 64, "lr": 3e-3, "epochs": epochs}
        settings = resolve_settings(METHODS.settings("mcl"), ("test", values))
        method = task.build("mcl", settings, data, torch.Generator().manual_seed(0))
        fit(method, task.loader(method, data, evaluation, 0), folder=tmp_path / str(epochs), settings=QUIET)
        scores.append(task.evaluate(method, data, evaluation, 0)["kNN accuracy (k=20, T=0.07)"])
    assert scores[1] > scores[0] + 0.05
