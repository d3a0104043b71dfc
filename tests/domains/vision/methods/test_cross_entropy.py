"""Plain classification and plain fine-tuning: what is learned, what is taken over, what is refused."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import UserError
from core.training.artifact import load_method
from domains.vision import METHODS
from domains.vision.batches import make_loader
from tests.domains.vision.methods.runs import again, build, digits, memorise, run, same_after_resuming


@pytest.fixture(scope="module")
def simclr(tmp_path_factory):
    """A run of SimCLR on digits that are darker, so that their statistics differ."""
    data = digits(64, 20)
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    run("simclr", replace(data, images=data.images // 2), folder, epochs=2, projection=8)
    return folder


def test_it_memorises_64_images():
    batch = digits(64).batch(torch.arange(64))
    method = build("cross_entropy", digits(64))
    losses = memorise(method, batch)
    assert losses[-1] < 0.2 * losses[0]
    assert (method.predict(batch) == batch.labels).all()
    assert method.seen["training accuracy"] == 1


def test_it_beats_its_untrained_start(tmp_path):
    data = digits(400)
    start = run("cross_entropy", data, tmp_path / "start", epochs=0).scores
    end = run("cross_entropy", data, tmp_path / "end", epochs=6).scores
    assert end["classifier accuracy"] > start["classifier accuracy"] + 0.4
    assert next(iter(end)) == "classifier accuracy"


def test_the_loss_is_cross_entropy_of_one_view():
    data, batch = digits(64), digits(64).batch(torch.arange(20))
    method = build("cross_entropy", data, recipe="digits", label_smoothing=0.1)
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    logits = method.classifier(again(method, batch, state)).detach().double()
    wanted = torch.full((20, 10), 0.01, dtype=torch.float64)
    wanted[torch.arange(20), batch.labels] += 0.9
    assert loss.item() == pytest.approx(float(-(wanted * logits.log_softmax(1)).sum(1).mean()), rel=1e-5)
    plain = build("cross_entropy", data)
    state = plain.generator.get_state()
    loss = plain.training_step(batch, 0)
    torch.testing.assert_close(loss, cross_entropy(plain.classifier(again(plain, batch, state)), batch.labels))


def test_fine_tuning_starts_at_the_pretrained_encoder_and_its_normalisation(simclr):
    data = digits(64)
    earlier = load_method(simclr, METHODS)
    method = build("cross_entropy", data, pretrained=str(simclr))
    assert all(
        torch.equal(a, b)
        for a, b in zip(earlier.encoder.state_dict().values(), method.encoder.state_dict().values(), strict=True)
    )
    assert method.input_spec["mean"] == earlier.input_spec["mean"]
    assert torch.equal(method.embed(data.images), earlier.embed(data.images))
    scratch = build("cross_entropy", data)
    assert scratch.input_spec["mean"] != earlier.input_spec["mean"]
    assert not torch.equal(scratch.embed(data.images), earlier.embed(data.images))
    assert torch.equal(scratch.classifier.weight, method.classifier.weight)


def test_without_epochs_the_pretrained_start_is_what_is_scored(simclr, tmp_path):
    run("cross_entropy", digits(64), tmp_path / "run", epochs=0, pretrained=str(simclr / "model"))
    saved = load_method(tmp_path / "run", METHODS)
    assert torch.equal(saved.embed(digits(64).images), load_method(simclr, METHODS).embed(digits(64).images))


@pytest.mark.parametrize("name", ["cross_entropy", "core_tuning"])
def test_a_fine_tuned_model_does_not_need_its_start_again(simclr, tmp_path, name):
    copy = shutil.copytree(simclr, tmp_path / "copy")
    result = run(name, digits(64, 40), tmp_path / "run", epochs=1, pretrained=str(copy))
    shutil.rmtree(copy)
    saved = load_method(tmp_path / "run", METHODS)
    test = digits(64, 40).select(digits(64, 40).test)
    assert saved.own_scores(test) == {"classifier accuracy": result.scores["classifier accuracy"]}
    rebuilt = load_method(tmp_path / "run", METHODS)
    assert torch.equal(saved.embed(test.images), rebuilt.embed(test.images))


def test_what_is_no_start_is_refused(simclr, tmp_path):
    data = digits(64)
    with pytest.raises(UserError, match="nowhere is not a model folder"):
        build("cross_entropy", data, pretrained=str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"another one \(width 4, here 8\); pass --width 4"):
        build("cross_entropy", data, pretrained=str(simclr), width=8)
    with pytest.raises(UserError, match="--depth 10 --stem small"):
        build("cross_entropy", data, pretrained=str(simclr), depth=18, stem="medium")
    broken = shutil.copytree(simclr / "model", tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"^pretrained: .*damaged"):
        build("cross_entropy", data, pretrained=str(broken))
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"format": 1, "method": "grace", "settings": {}, "input": {}}')
    with pytest.raises(UserError, match="unknown vision method 'grace'"):
        build("cross_entropy", data, pretrained=str(other))


def test_a_stem_that_follows_the_image_size_is_compared_too(tmp_path):
    """The strides differ, the weights have the same shapes."""
    data = digits(64)
    run("simclr", data, tmp_path / "run", epochs=0, stem="auto", view_size=64, projection=8)
    with pytest.raises(UserError, match=r"\(view_size 64, here 8\); pass --view-size 64"):
        build("cross_entropy", data, stem="auto", view_size=0, pretrained=str(tmp_path / "run"))


def test_the_encoder_has_a_learning_rate_of_its_own():
    method = build("cross_entropy", digits(64), encoder_lr=0.1)
    encoder, rest = method.trained_parameters()
    assert encoder["lr"] == pytest.approx(1e-3)
    assert {id(p) for p in encoder["params"]} == {id(p) for p in method.encoder.parameters()}
    assert {id(p) for p in rest["params"]} == {id(p) for p in method.classifier.parameters()}
    with pytest.raises(ValueError, match="encoder_lr must be"):
        build("cross_entropy", digits(64), encoder_lr=0.0)


def seen(method, data, seed=0):
    return torch.cat([batch.images.flatten(1) for batch in make_loader(method, data, seed)]).unique(dim=0)


def test_few_labels_are_a_fixed_draw_from_each_class():
    data = digits(200, 0)
    method = build("cross_entropy", data, labels_per_class=3)
    batches = list(make_loader(method, data, 0))
    assert torch.cat([batch.labels for batch in batches]).bincount().tolist() == [3] * 10
    assert torch.equal(seen(method, data), seen(method, data))
    assert not torch.equal(seen(method, data), seen(method, data, seed=1))
    tenth = build("cross_entropy", data, labels_share=0.1, batch_size=2)
    counts = data.labels.bincount().double().mul(0.1).round().clamp(min=1)
    assert len(list(make_loader(tenth, data, 0))) == int(counts.sum()) // 2
    with pytest.raises(ValueError, match="give one of them"):
        build("cross_entropy", data, labels_per_class=3, labels_share=0.1)


@pytest.mark.parametrize("name", ["cross_entropy", "sup_con", "hydra"])
def test_images_without_a_class_are_left_out(name):
    data = digits(64, 0)
    labels = data.labels.clone()
    labels[10:] = -1
    batches = list(make_loader(build(name, data), replace(data, labels=labels), 0))
    assert sum(len(batch) for batch in batches) == 10
    with pytest.raises(UserError, match=f"{name} needs labels, and no training image of digits has one"):
        make_loader(build(name, data), replace(data, labels=torch.full_like(labels, -1)), 0)


def test_its_own_score_counts_known_classes_of_the_same_task():
    data = digits(64, 30)
    method = build("cross_entropy", data)
    test = data.select(data.test)
    right = method.predict(test.images) == test.labels
    assert method.own_scores(test)["classifier accuracy"] == pytest.approx(float(right.float().mean()))
    labels = test.labels.clone()
    labels[10:] = -1
    some = method.own_scores(replace(test, labels=labels))
    assert some["classifier accuracy"] == pytest.approx(float(right[:10].float().mean()))
    assert method.own_scores(replace(test, labels=labels.clamp(max=-1))) == {}
    assert method.own_scores(replace(test, class_names=(*test.class_names, "ten"))) == {}
    assert method.own_scores(replace(test, labels=None)) == {}


@pytest.mark.parametrize("name", ["cross_entropy", "core_tuning", "sup_con", "hydra"])
def test_images_without_labels_are_refused_with_one_message(name, tmp_path):
    bare = replace(digits(64), labels=None, class_names=())
    with pytest.raises(UserError, match=f"{name} needs images of two classes or more; digits has 0"):
        run(name, bare, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    batch = digits(64).batch(torch.arange(8))
    with pytest.raises(UserError, match="needs a label for every image"):
        build(name, digits(64)).training_step(replace(batch, labels=None), 0)


@pytest.mark.parametrize("settings", [{"label_smoothing": 1.0}, {"labels_per_class": -1}, {"labels_share": 2.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build("cross_entropy", digits(64), **settings)


def test_class_balanced_batches(tmp_path):
    data = digits(64, 0)
    method = build("cross_entropy", data, sampler="pk", sampler_settings={"samples_per_class": 2})
    batch = next(iter(make_loader(method, data, 0)))
    assert sorted(batch.labels.bincount(minlength=10).tolist()) == [0, 0, *[2] * 8]
    with pytest.raises(ValueError, match="but no sampler"):
        build("cross_entropy", data, sampler_settings={"samples_per_class": 2})


def test_resuming_is_exact(simclr, tmp_path):
    assert same_after_resuming(
        "cross_entropy", digits(64), tmp_path, recipe="digits", pretrained=str(simclr), labels_per_class=4
    )
