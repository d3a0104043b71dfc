"""Supervised contrast: SimCLR's frame, positives by class."""

import pytest
import torch

from core.errors import UserError
from core.losses import sup_con
from core.training.artifact import load_method
from domains.vision import METHODS
from domains.vision.batches import make_loader
from tests.domains.vision.methods.runs import build, digits, memorise, run


def test_the_loss_is_sup_con_over_both_views():
    data = digits(64)
    batch = data.batch(torch.arange(24))
    method = build("sup_con", data, recipe="digits", loss_settings={"temperature": 0.07})
    state = method.generator.get_state()
    loss = method.training_step(batch, 0)
    method.generator.set_state(state)
    z = method.project(batch.images).detach()
    rows = torch.nn.functional.normalize(z.flatten(0, 1).double(), dim=1)
    labels, terms = batch.labels.repeat(2), []
    for i in range(48):
        others = [k for k in range(48) if k != i]
        logs = (rows[others] @ rows[i] / 0.07).log_softmax(0)
        terms.append(-logs[labels[others] == labels[i]].mean())
    assert loss.item() == pytest.approx(float(torch.stack(terms).mean()), rel=1e-4)
    torch.testing.assert_close(loss.detach(), sup_con(z, batch.labels, temperature=0.07))


def test_it_takes_losses_of_classes_only():
    data = digits(64)
    batch = data.batch(torch.arange(24))
    assert build("sup_con", data, loss="FocalContrastiveLoss").training_step(batch, 0).isfinite()
    with pytest.raises(UserError, match="NTXentLoss takes none; train simclr"):
        build("sup_con", data, loss="nt_xent")


def test_batches_by_class_can_be_chosen():
    data = digits(64, 0)
    method = build("sup_con", data, sampler="pk", sampler_settings={"classes_per_batch": 4, "samples_per_class": 3})
    assert all(batch.labels.unique(return_counts=True)[1].tolist() == [3] * 4 for batch in make_loader(method, data, 0))


def test_it_pulls_classes_together_and_comes_back_from_its_folder(tmp_path):
    data = digits(300)
    test = data.select(data.test)
    knn = "kNN accuracy (k=20, T=0.07)"
    start = run("sup_con", data, tmp_path / "start", epochs=0).scores
    end = run("sup_con", data, tmp_path / "end", epochs=5).scores
    assert end[knn] > start[knn] + 0.1
    one, two = (load_method(tmp_path / "end", METHODS).embed(test.images) for _ in range(2))
    assert torch.equal(one, two)


def test_it_memorises_64_images():
    data = digits(64)
    method = build("sup_con", data)
    memorise(method, data.batch(torch.arange(64)), steps=30)
    rows = torch.nn.functional.normalize(method.embed_stage(data.images[:64], "projection"), dim=1)
    cosine = (rows @ rows.T).fill_diagonal_(-1)
    assert (data.labels[cosine.argmax(1)] == data.labels[:64]).float().mean() > 0.97
