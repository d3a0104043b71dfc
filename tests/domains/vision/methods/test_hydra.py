"""Hydra: arbitrary pairs are compared in their gate, the gate stays in training, the probe gives no gradient."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import UserError
from core.losses import class_pair_contrastive, sup_con
from core.training.artifact import load_method
from domains.vision import METHODS
from tests.domains.vision.methods.runs import build, digits, memorise, run, same_after_resuming


def stepped(**settings):
    """A method in training, its batch, its loss, and rows, classes and partners as the step drew them."""
    data = digits(64)
    method = build("hydra", data, recipe="digits", **settings)
    batch = data.batch(torch.arange(16))
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    method.generator.set_state(state)
    h = method.encoder(torch.cat(method.random_views(batch.images, method.settings.repeats)))
    own = batch.labels.repeat(method.settings.repeats)
    return method, loss, h, own, method.partners(own)


@pytest.mark.parametrize("variant", ["cosine", "quadratic"])
def test_the_loss_is_the_contrast_in_the_gates_and_a_probe(variant):
    method, loss, h, own, partner = stepped(variant=variant, repeats=3, gate_penalty=0.1)
    assert len(h) == 48
    assert (own != partner).any()
    wanted = class_pair_contrastive(
        method.head(h), own, partner, method.gate(own, partner), variant=variant, gate_penalty=0.1
    )
    torch.testing.assert_close(loss, wanted + cross_entropy(method.probe(h), own))
    assert method.partners.generator is method.generator
    assert 0 < method.seen["gate activation"] < 1
    assert 0 < method.seen["gate entropy"] < 0.6932


def test_without_a_gate_all_dimensions_are_open():
    method, loss, h, own, partner = stepped(gate=False)
    z = method.head(h)
    wanted = class_pair_contrastive(z, own, partner, torch.ones_like(z))
    torch.testing.assert_close(loss, wanted + cross_entropy(method.probe(h), own))
    assert not any(name.startswith("gate") for name in method.state_dict())
    assert "gate activation" not in method.seen


def test_identical_pairs_without_a_gate_contrast_one_positive_at_a_time():
    """Brute force in float64: SupCon whose denominators hold the negatives and one positive."""
    method, loss, h, own, partner = stepped(gate=False, mode="identical", repeats=1)
    assert torch.equal(own, partner)
    unit = torch.nn.functional.normalize(method.head(h).detach().double(), dim=1)
    logits = unit @ unit.T / 0.1
    terms = []
    for i in range(16):
        negatives = logits[i][own != own[i]]
        for j in range(16):
            if j != i and own[j] == own[i]:
                terms.append(torch.cat([logits[i, j, None], negatives]).logsumexp(0) - logits[i, j])
    probe = cross_entropy(method.probe(h).detach(), own)
    assert loss.item() == pytest.approx(float(torch.stack(terms).mean() + probe), rel=1e-4)


@pytest.mark.parametrize("mode", ["arbitrary", "identical"])
def test_sup_con_can_be_fed_the_partners(mode):
    method, loss, h, own, partner = stepped(gate=False, loss="SupConLoss", mode=mode)
    assert torch.equal(own, partner) == (mode == "identical")
    torch.testing.assert_close(
        loss, sup_con(method.head(h), partner, temperature=0.1) + cross_entropy(method.probe(h), own)
    )


@pytest.mark.parametrize("sup_loss", [False, True])
def test_the_probe_moves_the_backbone_only_if_asked(sup_loss):
    data = digits(64)
    method = build("hydra", data, sup_loss=sup_loss)
    method.pairs.forward = lambda z, *_: 0.0 * z.sum()
    method.training_step(data.batch(torch.arange(16)), 0).backward()
    moved = max(float(p.grad.abs().max()) for p in method.encoder.parameters())
    assert (moved > 0) == sup_loss
    assert float(method.probe.weight.grad.abs().max()) > 0


def test_gate_projector_and_probe_are_no_part_of_the_embedding():
    data = digits(64)
    method = build("hydra", data)
    before = method.embed(data.images)
    for part in (method.gate, method.head, method.probe):
        for weight in part.parameters():
            weight.data.normal_()
    assert torch.equal(before, method.embed(data.images))
    assert before.shape == (len(data), method.out_dim)
    assert method.embed_stage(data.images, "projection").shape == (len(data), 16)


def test_the_projector_is_that_of_the_code():
    method = build("hydra", digits(64), hidden=48, projection=8)
    assert [tuple(p.shape) for p in method.head.parameters()] == [(48, 32), (48,), (48,), (8, 48), (8,), (8,)]
    z = method.head(torch.rand(5, 32)).double()
    torch.testing.assert_close(z.mean(1), torch.zeros(5, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["distinct", "identical", "arbitrary"])
def test_a_batch_without_positives_counts_as_nothing(mode):
    data = digits(64)
    labels = data.labels
    rows = torch.tensor([int((labels == c).nonzero()[0]) for c in (0, 1)])
    method = build("hydra", data, mode=mode, repeats=1)
    assert method.training_step(data.batch(rows), 0).isfinite()


def test_both_names_are_one_method():
    assert METHODS.settings("simlap") is METHODS.settings("hydra")
    data = digits(64)
    small = {"hidden": 32, "projection": 16, "label_dim": 16, "gate_hidden": 16}
    one, other = (build(name, data, **small) for name in ("hydra", "simlap"))
    assert (one.name, other.name) == ("hydra", "simlap")
    batch = data.batch(torch.arange(32))
    assert torch.equal(one.training_step(batch, 0), other.training_step(batch, 0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"repeats": 0}, "repeats must be at least 1"),
        ({"gate_penalty": -0.1}, "gate_penalty"),
        ({"gate": False, "gate_penalty": 0.1}, "there is no gate"),
        ({"loss": "SupConLoss"}, "pass gate=False"),
        ({"sampler_settings": {"samples_per_class": 2}}, "but no sampler"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        build("hydra", digits(64), **settings)


def test_unknown_classes_are_refused():
    batch = digits(64).batch(torch.arange(8))
    batch.labels[2] = -1
    with pytest.raises(UserError, match="hydra needs a label for every image"):
        build("hydra", digits(64)).training_step(batch, 0)


def test_it_memorises_64_images():
    data = digits(64)
    method = build("hydra", data)
    losses = memorise(method, data.batch(torch.arange(64)), steps=60)
    assert losses[-1] < 0.5 * losses[0]
    alone = data.select(torch.arange(64))
    assert method.own_scores(alone)["online probe accuracy"] > 0.95


@pytest.mark.slow
def test_it_beats_its_untrained_start_and_comes_back_from_its_folder(tmp_path):
    data = digits(300)
    knn = "kNN accuracy (k=20, T=0.07)"
    start = run("hydra", data, tmp_path / "start", epochs=0, variant="quadratic").scores
    end = run("hydra", data, tmp_path / "end", epochs=6, variant="quadratic").scores
    assert end[knn] > start[knn] + 0.1
    saved = load_method(tmp_path / "end", METHODS)
    test = data.select(data.test)
    assert saved.own_scores(test)["online probe accuracy"] == end["online probe accuracy"]
    assert torch.equal(saved.embed(test.images), load_method(tmp_path / "end", METHODS).embed(test.images))


def test_resuming_is_exact(tmp_path):
    assert same_after_resuming("hydra", digits(64), tmp_path, recipe="digits")


@pytest.mark.slow
def test_arbitrary_pairs_need_the_gate(tmp_path):
    """The paper's claim: with the gate they teach the classes, SupCon learns nothing from them."""
    small = {"width": 8, "recipe": "digits", "lr": 3e-3, "batch_size": 128, "warmup": 1.0, "epochs": 15}
    small |= {"hidden": 256, "projection": 64, "label_dim": 64, "gate_hidden": 128}
    ways = {"gated": {}, "ungated": {"gate": False}, "SupCon": {"gate": False, "loss": "SupConLoss"}}
    found = {
        way: run("hydra", digits(640, 300), tmp_path / way, variant="quadratic", **small, **settings).scores
        for way, settings in ways.items()
    }
    for way, accuracy, probe in (("ungated", 0.04, 0.1), ("SupCon", 0.1, 0.25)):
        assert found["gated"]["accuracy"] > found[way]["accuracy"] + accuracy
        assert found["gated"]["online probe accuracy"] > found[way]["online probe accuracy"] + probe
