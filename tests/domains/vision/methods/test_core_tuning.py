"""Core-tuning: its sum is the stated one, its pieces can be taken away one by one, and it learns."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import UserError
from core.losses import core_tuning, focal_contrastive, sup_con
from core.training.artifact import load_method
from domains.vision import METHODS
from domains.vision.batches import make_loader
from tests.domains.vision.methods.runs import again, build, digits, memorise, run, same_after_resuming


def stepped(**settings):
    """A method, its batch, its loss, and the same rows and mixtures drawn once more."""
    data = digits(64)
    method = build("core_tuning", data, recipe="digits", **settings)
    batch = data.batch(torch.arange(24))
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    rows = again(method, batch, state)
    mixed = method.mixer(rows, batch.labels, 10) if method.settings.mixing else None
    return method, batch, loss, rows, mixed


def test_the_loss_is_the_core_objective_on_the_mixed_batch():
    method, batch, loss, _, mixed = stepped(eta=0.7)
    assert len(mixed.features) > 2 * len(batch)
    wanted = core_tuning(method.classifier(mixed.features), method.head(mixed.features), mixed.soft_targets, eta=0.7)
    torch.testing.assert_close(loss, wanted)
    assert method.seen["loss"] == pytest.approx(method.seen["classification"] + 0.7 * method.seen["contrast"])


def test_without_contrast_and_mixing_it_is_cross_entropy():
    method, batch, loss, rows, _ = stepped(eta=0.0, mixing=False)
    torch.testing.assert_close(loss, cross_entropy(method.classifier(rows), batch.labels))
    assert "contrast" not in method.seen
    assert method.classifier.bias is None


def test_without_focal_weight_and_mixing_it_is_cross_entropy_and_sup_con():
    method, batch, loss, rows, _ = stepped(eta=0.5, gamma=0.0, mixing=False)
    contrast = sup_con(method.head(rows), batch.labels, temperature=0.07)
    torch.testing.assert_close(loss, cross_entropy(method.classifier(rows), batch.labels) + 0.5 * contrast)


def test_without_contrast_the_classifier_still_sees_the_mixtures():
    method, _, loss, _, mixed = stepped(eta=0.0)
    logs = method.classifier(mixed.features).log_softmax(1)
    torch.testing.assert_close(loss, -(mixed.soft_targets * logs).sum(1).mean())


def test_without_smoothing_the_classifier_sees_real_images_alone():
    method, batch, loss, rows, mixed = stepped(smooth=False, eta=0.3)
    contrast = focal_contrastive(method.head(mixed.features), mixed.soft_targets, temperature=0.07)
    torch.testing.assert_close(loss, cross_entropy(method.classifier(rows), batch.labels) + 0.3 * contrast)


def test_every_setting_reaches_its_part():
    settings = {
        "alpha": 0.5, "min_negative_weight": 0.6, "negatives": "shuffle", "hard_positive": "released",
        "detach_originals": True,
    }  # fmt: skip
    contrast = {"temperature": 0.2, "gamma": 2.0, "detach_weight": True, "reduction": "official"}
    method = build("core_tuning", digits(64), **settings, **contrast)
    assert {name: getattr(method.mixer, name) for name in settings} == settings
    assert {name: getattr(method.contrast, name) for name in contrast} == contrast
    assert method.mixer.generator is method.generator
    assert [tuple(p.shape) for p in method.head.parameters()] == [(32, 32), (32,), (16, 32), (16,)]


@pytest.mark.parametrize("settings", [{"eta": -1.0}, {"gamma": -1.0}, {"projection": 0}, {"alpha": 0.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build("core_tuning", digits(64), **settings)
    with pytest.raises(ValueError, match="leave the encoder untrained"):
        build("core_tuning", digits(64), detach_originals=True, mixing=False)


def test_a_batch_of_one_class_is_refused_where_mixtures_need_two():
    data = digits(64)
    batch = data.batch((data.labels == 3).nonzero().flatten())
    with pytest.raises(UserError, match="images of class 3 only; raise batch_size, or pass --sampler pk"):
        build("core_tuning", data).training_step(batch, 0)
    assert build("core_tuning", data, mixing=False).training_step(batch, 0).isfinite()
    method = build("core_tuning", data, sampler="pk", batch_size=4, sampler_settings={"classes_per_batch": 2})
    for batch in make_loader(method, data, 0):
        assert sorted(batch.labels.unique(return_counts=True)[1].tolist()) == [2, 2]


def test_it_memorises_64_images():
    batch = digits(64).batch(torch.arange(64))
    method = build("core_tuning", digits(64))
    losses = memorise(method, batch)
    assert losses[-1] < losses[0]
    assert (method.predict(batch) == batch.labels).float().mean() > 0.97


@pytest.mark.slow
def test_it_beats_its_untrained_start_and_comes_back_from_its_folder(tmp_path):
    data = digits(300)
    start = run("core_tuning", data, tmp_path / "start", epochs=0).scores
    end = run("core_tuning", data, tmp_path / "end", epochs=6).scores
    assert end["classifier accuracy"] > start["classifier accuracy"] + 0.4
    saved = load_method(tmp_path / "end", METHODS)
    assert saved.own_scores(data.select(data.test))["classifier accuracy"] == end["classifier accuracy"]


def test_resuming_is_exact(tmp_path):
    assert same_after_resuming("core_tuning", digits(64), tmp_path, recipe="digits")


@pytest.mark.slow
def test_a_pretrained_encoder_needs_fewer_labels(tmp_path):
    """Ten labels a class: both ways of fine-tuning end well above training from scratch."""
    small = {"width": 8, "recipe": "digits", "lr": 3e-3, "batch_size": 128, "warmup": 1.0}
    data = digits()
    run("simclr", data, tmp_path / "simclr", epochs=15, loss_settings={"temperature": 0.2}, **small)
    few = {**small, "epochs": 40, "labels_per_class": 10}
    scratch = run("cross_entropy", data, tmp_path / "scratch", **few).scores["classifier accuracy"]
    for name in ("cross_entropy", "core_tuning"):
        tuned = run(name, data, tmp_path / name, pretrained=str(tmp_path / "simclr"), **few).scores
        assert tuned["classifier accuracy"] > scratch + 0.03
