"""What every self-supervised frame must do: learn, resume, and leave the test images alone."""

import pytest
import torch
from lightning.pytorch import Callback

from core.evaluation import KnnEvaluator
from core.training import load_method, save_method
from domains.vision import METHODS
from domains.vision.augment import RECIPES
from domains.vision.data.embedded import embedded
from tests.domains.vision.methods.frames import FRAMES, SPEC, Stop, batch, build, digits, encoder_gradient, train

LEARN = {
    "simclr": {"lr": 3e-3},
    "moco": {"lr": 3e-3, "queue": 64, "ema": 0.9},
    "byol": {"lr": 3e-3, "ema": 0.9},
    "simsiam": {"lr": 3e-3},
    "barlow_twins": {"lr": 3e-3},
    "vicreg": {"lr": 3e-3},
    "swav": {"lr": 1e-2, "freeze_epochs": 0},
}
# queue, prototypes, steady rates and mixers have state of their own; each must be in the checkpoint
STATEFUL = {
    "moco": {"queue": 48, "ema_schedule": "cosine", "sampler": "hard_negative_mixing", "oracle": True,
             "sampler_settings": {"n_hard": 8, "n_pair": 4, "n_query": 2}, "mixing_warmup": 0.3},
    "simsiam": {"sampler": "hallucinator"},
    "swav": {"queue": 48, "queue_from": 1, "local_crops": 1, "freeze_epochs": 2},
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_the_loss_decreases_on_256_images_within_20_steps(name, tmp_path):
    _, losses = train(name, tmp_path, epochs=3, **LEARN[name])
    values = torch.tensor(losses.values[:20])
    assert len(values) == 20
    first = 2 if name == "moco" else 0  # its queue of 64 holds random, and so easy, negatives before
    assert values[-5:].mean() < values[first : first + 5].mean() - 0.01


@pytest.mark.parametrize("name", FRAMES)
def test_a_resumed_run_is_one_that_never_stopped(name, tmp_path):
    settings = {"epochs": 4, "lr": 1e-2, **STATEFUL.get(name, {})}
    data = digits().select(torch.arange(64))
    whole, losses = train(name, tmp_path / "whole", data=data, **settings)
    with pytest.raises(KeyboardInterrupt):
        train(name, tmp_path / "cut", data=data, callbacks=[Stop(2)], **settings)
    resumed, rest = train(name, tmp_path / "cut", data=data, resume=True, **settings)
    assert rest.values == losses.values[-len(rest.values) :]
    assert len(rest.values) == 4
    mine, theirs = whole.state_dict(), resumed.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    logs = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "cut")]
    assert logs[0] == logs[1]


@pytest.mark.parametrize("name", FRAMES)
def test_a_step_reaches_encoder_and_head_and_draws_from_its_own_generator_alone(name):
    method = build(name)
    before = torch.get_rng_state()
    value = method.training_step(batch(), 0)
    value.backward()
    assert torch.equal(torch.get_rng_state(), before)
    assert encoder_gradient(method) > 0
    assert all(p.grad is not None for p in method.head.parameters())


@pytest.mark.parametrize("name", FRAMES)
def test_the_same_seed_gives_the_same_step_and_another_one_another(name):
    first, again, other = (float(build(name, seed).training_step(batch(), 0).detach()) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", FRAMES)
def test_embedding_is_frozen_and_changes_nothing(name):
    method = build(name)
    state = {key: value.clone() for key, value in method.state_dict().items()}
    draws = method.generator.get_state()
    whole, parts = method.embed(batch()), torch.cat([method.embed(batch(16)), method.embed(batch(16, start=16))])
    torch.testing.assert_close(whole, parts)
    assert whole.shape == (32, method.out_dim)
    assert not whole.requires_grad
    assert method.training
    assert torch.equal(method.generator.get_state(), draws)
    assert all(torch.equal(value, method.state_dict()[key]) for key, value in state.items())
    assert method.embed_stage(batch(), "projection").shape == (32, 16)


@pytest.mark.parametrize("name", FRAMES)
def test_a_saved_model_comes_back(name, tmp_path):
    method = build(name)
    method.training_step(batch(), 0)
    save_method(method, tmp_path / "model", {})
    loaded = load_method(tmp_path / "model", METHODS)
    torch.testing.assert_close(loaded.embed(batch()), method.embed(batch()))


@pytest.mark.parametrize("name", FRAMES)
def test_large_colour_images_get_the_recipes_of_the_paper(name):
    expected = {
        "simclr": ["simclr"] * 3,
        "moco": ["moco_v2"] * 3,
        "byol": ["byol_1", "byol_2", "byol_1"],
        "simsiam": ["simclr"] * 3,
        "barlow_twins": ["byol_1", "byol_2", "byol_1"],
        "vicreg": ["vicreg"] * 3,
        "swav": ["swav_global"] * 3,
    }
    large = build(name, spec={"size": 64, "grey": False})
    assert large.recipes(3) == [RECIPES[recipe] for recipe in expected[name]]
    assert build(name, spec={"size": 32, "grey": False}).recipes(2) == [RECIPES["cifar"]] * 2
    assert build(name).recipes(2) == [RECIPES["digits"]] * 2
    assert build(name, recipe="mild+hallucinator").recipes(3) == [
        RECIPES[recipe] for recipe in ("mild", "hallucinator", "mild")
    ]


class LearningRates(Callback):
    """Of each group, as each step uses them."""

    def __init__(self):
        self.values = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.values.append([group["lr"] for group in optimizer.param_groups])


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "lars"])
def test_every_optimiser_warms_up_and_decays_but_for_the_steady_group(optimizer, tmp_path):
    rates = LearningRates()
    train("simsiam", tmp_path, callbacks=[rates], epochs=2, warmup=0.5, optimizer=optimizer, lr=0.1, predictor=4)
    network, predictor = zip(*rates.values, strict=True)
    assert predictor == (0.1,) * 16
    assert network[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert list(network[4:]) == sorted(network[4:], reverse=True)
    assert 0 < network[-1] < 0.005


def test_the_settings_of_lars_reach_it(tmp_path):
    class Settings(Callback):
        def on_train_start(self, trainer, pl_module):
            self.group = trainer.optimizers[0].param_groups[0]

    found = Settings()
    settings = {"optimizer": "lars", "trust": 0.02, "trust_clip": True, "momentum": 0.8, "weight_decay": 0.1}
    train("simclr", tmp_path, callbacks=[found], epochs=1, lr=0.1, **settings)
    assert {name: found.group[name] for name in ("eta", "clip", "momentum", "weight_decay")} == {
        "eta": 0.02, "clip": True, "momentum": 0.8, "weight_decay": 0.1,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAMES)
def test_a_few_seconds_of_training_beat_the_untrained_start(name, tmp_path):
    data = embedded("digits")
    train_part, test_part = data.select(~data.test), data.select(data.test)
    settings = {"width": 8, "batch_size": 128, "hidden": 64, "projection": 64, "epochs": 8, **LEARN[name]}
    settings |= {"spec": {**SPEC, "num_images": len(train_part)}}

    def knn(method):
        rated = KnnEvaluator(k=20, temperature=0.07).fit(method.embed(train_part.images), train_part.labels)
        return rated.score(method.embed(test_part.images), test_part.labels)

    start = knn(build(name, **settings))
    method, _ = train(name, tmp_path, data=train_part, log_every=10, **settings)
    assert knn(method) > start + 0.03
