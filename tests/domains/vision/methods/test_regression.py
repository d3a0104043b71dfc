"""Regression: the absolute error end to end, Rank-N-Contrast and SupReMix, on the angle of turned digits."""

from dataclasses import replace

import pytest
import torch

from core.errors import UserError
from core.losses import rank_n_contrast, sup_con, supremix
from core.samplers import OrdinalMixup
from core.training.artifact import load_method
from domains.vision import METHODS
from domains.vision.data.images import ImageSet
from tests.domains.vision.methods.runs import angles, build, digits, memorise, run, same_after_resuming

NAMES = ["l1", "rank_n_contrast", "supremix"]


def stepped(name, data, **settings):
    """A method, its batch, its loss, and the projections that the step drew."""
    method = build(name, data, recipe="upright", **settings)
    batch = data.batch(torch.arange(20))
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    method.generator.set_state(state)
    return method, batch, loss, method.project(batch.images)


def test_l1_is_the_absolute_error_in_deviations_of_the_training_targets():
    data = angles(64, 20)
    method = build("l1", data)
    known = data.targets[~data.test].double()
    assert method.target_mean == pytest.approx(float(known.mean()))
    assert method.target_std == pytest.approx(float(known.std(correction=0)))
    batch = data.batch(torch.arange(20))
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    method.generator.set_state(state)
    found = method.regressor(method.encoder(method.random_views(batch.images, 1)[0])).flatten()
    error = (found * method.target_std + method.target_mean - batch.targets).abs().mean()
    torch.testing.assert_close(loss * method.target_std, error)
    assert method.seen["MAE"] == pytest.approx(error.item(), rel=1e-4)


def test_l1_memorises_64_images_and_says_angles():
    data = replace(angles(64, 0), targets=angles(64, 0).targets + 100)
    method = build("l1", data)
    losses = memorise(method, data.batch(torch.arange(64)), steps=60)
    assert losses[-1] < 0.4 * losses[0]
    method.eval()
    wrong = (method.predict(data.images) - data.targets).abs()
    assert wrong.mean() < 0.4 * method.target_std
    own = method.own_scores(data)
    assert own["regressor MAE"] == pytest.approx(float(wrong.mean()), rel=1e-5)
    assert own["regressor RMSE"] == pytest.approx(float(wrong.square().mean().sqrt()), rel=1e-5)
    assert method.own_scores(replace(data, targets=None)) == {}


def test_equal_targets_leave_the_unit_alone():
    data = angles(64, 0)
    method = build("l1", replace(data, targets=torch.full((64,), 7.0)))
    assert (method.target_mean, method.target_std) == (7.0, 1.0)
    assert build("sup_con", digits(64)).target_std == 1.0


def test_rank_n_contrast_ranks_the_raw_targets():
    data = angles(64, 0)
    method, batch, loss, z = stepped("rank_n_contrast", data, similarity="cosine", temperature=0.5, layers=2)
    torch.testing.assert_close(loss, rank_n_contrast(z, batch.targets, similarity="cosine", temperature=0.5))
    method, batch, loss, z = stepped("rank_n_contrast", data)
    assert z.shape == (2, 20, method.out_dim)  # no head, as in the released code
    torch.testing.assert_close(loss, rank_n_contrast(z, batch.targets))
    cubes = replace(data, targets=data.targets * 3 + 11)
    torch.testing.assert_close(stepped("rank_n_contrast", cubes)[2], loss)


def test_supremix_counts_in_deviations_of_the_target():
    data = angles(64, 0)
    method, batch, loss, z = stepped("supremix", data, window=0.4, label_scale=0.5, max_pos=8)
    draw = torch.Generator()
    draw.set_state(method.generator.get_state())  # after the views, before the mixtures
    std = method.target_std
    mixer = OrdinalMixup(0.4 * std, max_pos=8, generator=draw)
    torch.testing.assert_close(loss, supremix(z, batch.targets, mixer=mixer, label_scale=0.5 * std))
    radians = replace(data, targets=torch.deg2rad(data.targets))
    torch.testing.assert_close(
        stepped("supremix", radians, window=0.4, label_scale=0.5, max_pos=8)[2], loss, rtol=1e-4, atol=1e-5
    )


def test_supremix_without_its_pieces_is_sup_con_of_equal_targets():
    data = angles(64, 0)
    bins = replace(data, targets=(data.targets / 30).round() * 30)
    pieces = {"mix_neg": False, "mix_pos": False, "magnify": "none", "temperature": 0.2}
    _, batch, loss, z = stepped("supremix", bins, **pieces)
    groups = batch.targets.unique(return_inverse=True)[1]
    torch.testing.assert_close(loss, sup_con(z, groups, temperature=0.2))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_they_beat_their_untrained_start_and_come_back_from_their_folder(name, tmp_path):
    data = angles(300)
    small = {"recipe": "upright", "batch_size": 64}
    start = run(name, data, tmp_path / "start", epochs=0, **small).scores
    end = run(name, data, tmp_path / "end", epochs=8, **small).scores
    assert end["MAE"] < 0.85 * start["MAE"]
    assert end["ordinality"] > start["ordinality"] + 0.1
    saved, test = load_method(tmp_path / "end", METHODS), data.select(data.test)
    assert saved.own_scores(test) == {key: value for key, value in end.items() if key.startswith("regressor")}
    assert torch.equal(saved.embed(test.images), load_method(tmp_path / "end", METHODS).embed(test.images))


def test_a_regressor_can_start_from_contrast(tmp_path):
    data = angles(64, 20)
    run("supremix", data, tmp_path / "run", epochs=1, recipe="upright")
    method = build("l1", data, pretrained=str(tmp_path / "run"))
    assert torch.equal(method.embed(data.images), load_method(tmp_path / "run", METHODS).embed(data.images))


@pytest.mark.parametrize("name", NAMES)
def test_images_without_numbers_are_refused_with_one_message(name, tmp_path):
    with pytest.raises(UserError, match=f"{name} needs a number for each image"):
        run(name, digits(64), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    batch = digits(64).batch(torch.arange(8))
    with pytest.raises(UserError, match=f"{name} needs a number for every image"):
        build(name, angles(64, 0)).training_step(batch, 0)


def test_numbers_alone_are_enough(tmp_path):
    data = angles(100, 0)
    bare = ImageSet(data.images, "bare", targets=data.targets)
    assert "MAE" in run("l1", bare, tmp_path / "run", epochs=1).scores


@pytest.mark.parametrize("settings", [{"window": 0.0}, {"label_scale": -1.0}, {"temperature": 0.0}, {"max_pos": 0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        build("supremix", angles(64, 0), **settings)


@pytest.mark.parametrize("name", ["l1", "supremix"])
def test_resuming_is_exact(name, tmp_path):
    assert same_after_resuming(name, angles(64, 20), tmp_path, recipe="upright")
