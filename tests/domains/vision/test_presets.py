"""Every preset can be used as it stands, and those of CIFAR-10 are solo-learn's recipes."""

from importlib.resources import files

import pytest
import yaml

from core.training import preset_names, read_preset, resolve_settings
from domains.vision import METHODS
from domains.vision.evaluate import EvaluationSettings

PACKAGE = "domains.vision"
NAMES = preset_names(PACKAGE)

# solo-learn's scripts for CIFAR-10: optimiser, rate, weight decay, head (hidden, output), and what is the method's own.
SOLO = {
    "simclr": ("lars", 0.4, 1e-4, 2048, 256, {"loss_settings": {"temperature": 0.2}}),
    "moco": ("sgd", 0.3, 1e-4, 2048, 256, {"temperature": 0.2, "ema": 0.99, "symmetric": True}),
    "byol": ("lars", 1.0, 1e-5, 4096, 256, {"predictor": 4096, "ema": 0.99, "ema_schedule": "cosine"}),
    "simsiam": ("sgd", 0.5, 1e-5, 2048, 2048, {"predictor": 512, "layers": 3}),
    "barlow_twins": ("lars", 0.3, 1e-4, 2048, 2048, {"loss_settings": {"scale_loss": 0.1}}),
    "vicreg": (
        "lars", 0.3, 1e-4, 2048, 2048, {"loss_settings": {"lambda_param": 25.0, "mu_param": 25.0, "nu_param": 1.0}}
    ),
    "swav": (
        "lars", 0.6, 1e-6, 2048, 128, {"prototypes": 3000, "queue": 3840, "queue_from": 50, "freeze_epochs": 2}
    ),
}  # fmt: skip
COMMON = {
    "width": 64, "depth": 18, "stem": "small", "epochs": 1000, "batch_size": 256, "warmup": 10.0,
    "schedule": "cosine", "momentum": 0.9, "recipe": "cifar",
}  # fmt: skip


def settings_of(name, method):
    return resolve_settings(METHODS.settings(method), (f"preset {name}", read_preset(PACKAGE, name, method)[0]))


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_names_methods_and_settings_that_exist_and_arrive_as_they_stand(name):
    content = yaml.safe_load((files(PACKAGE) / "presets" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(content) <= {*METHODS.names(), "evaluate"}
    for section, values in content.items():
        kind = EvaluationSettings if section == "evaluate" else METHODS.settings(section)
        settings = resolve_settings(kind, (f"preset {name}", values))
        for key, value in values.items():
            assert not isinstance(value, str) or isinstance(getattr(kind(), key), str)  # YAML reads 1e-3 as a word
            assert getattr(settings, key) == value


@pytest.mark.parametrize("method", SOLO)
def test_the_presets_of_cifar_are_the_recipes_of_solo_learn(method):
    settings = settings_of("cifar10_13k", method)
    optimizer, lr, decay, hidden, projection, own = SOLO[method]
    found = (settings.optimizer, settings.lr, settings.weight_decay, settings.hidden, settings.projection)
    assert found == (optimizer, lr, decay, hidden, projection)
    for key, value in {**COMMON, **own}.items():
        assert getattr(settings, key) == value, key
    if optimizer == "lars":
        assert (settings.trust, settings.trust_clip) == (0.02, True)


@pytest.mark.parametrize("method", SOLO)
def test_the_preset_of_the_digits_is_small(method):
    settings = settings_of("digits", method)
    assert settings.width <= 16
    assert settings.epochs <= 60
