"""Every loss and every sampler of the core, through SimCLR: it trains, or one message says why not."""

import pytest
import torch
from torch.nn.functional import normalize

from core.errors import UserError
from core.losses import (
    DCLLoss,
    InfoNCELoss,
    LabelContrastLoss,
    MVInfoNCELoss,
    NTXentLoss,
    PairwiseAggregation,
    SogCLRLoss,
    SupConLoss,
    SupCRLoss,
    TripletLoss,
)
from core.parts import parts
from domains.vision.batches import make_loader
from domains.vision.data.images import ImageBatch
from domains.vision.methods.objective import Objective, make_loss
from tests.domains.vision.methods.frames import batch, build, digits, encoder_gradient

LOSSES = [part.name for part in parts() if part.kind == "loss"]
SAMPLERS = [part.name for part in parts() if part.kind == "sampler"]
ELSEWHERE = {
    "MomentumCACRLoss", "CropCACRLoss", "CoreTuningLoss", "RDropLoss", "ClassPairContrastiveLoss",
    "DomainContrastLoss", "SwAVLoss", "HallucinatedPairLoss", "CMIMLoss", "AMIMLoss", "MIMLoss", "PixProLoss",
    "PixContrastLoss", "LocalRegionLoss",
}  # fmt: skip


def objective(loss="nt_xent", views=2, **settings):
    given = {"dim": 8, "num_images": 64, "num_classes": 3, "generator": torch.Generator().manual_seed(0)}
    return Objective(loss, settings.pop("loss_settings", {}), views=views, **{**given, **settings})


def projections(views=2, n=6, seed=0):
    return torch.randn(views, n, 8, generator=torch.Generator().manual_seed(seed))


def known(n=6):
    """A batch whose images are of no use but whose labels, targets and places are."""
    return ImageBatch(
        torch.zeros(n, 3, 2, 2, dtype=torch.uint8), torch.arange(n) + 10, torch.arange(n) % 3, torch.arange(n) / 7
    )


def test_the_catalogue_and_this_list_agree():
    assert set(LOSSES) >= ELSEWHERE


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_a_step_or_is_refused_with_one_message(loss):
    if loss in ELSEWHERE:
        with pytest.raises(UserError, match=f"{loss} cannot be trained on whole views of images: "):
            build("simclr", loss=loss)
        return
    method = build("simclr", loss=loss)
    value = method.training_step(batch(), 0)
    value.backward()
    assert value.isfinite()
    assert method.logged["loss"] == pytest.approx(value.item())
    assert encoder_gradient(method) > 0


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - ELSEWHERE))
def test_four_views_train_too_or_are_refused(loss):
    part, _ = make_loss(loss, {}, num_images=64)
    if part.takes == "index":
        with pytest.raises(UserError, match="takes two views, got views=4"):
            build("simclr", loss=loss, views=4)
        return
    method = build("simclr", loss=loss, views=4)
    value = method.training_step(batch(12), 0)
    value.backward()
    assert value.isfinite()
    assert encoder_gradient(method) > 0


Z = projections()
BY_HAND = {
    "nt_xent": lambda: NTXentLoss()(Z[0], Z[1]),
    "dcl": lambda: DCLLoss()(Z[0], Z[1]),
    "mv_info_nce": lambda: MVInfoNCELoss()(Z),
    "sup_con": lambda: SupConLoss()(Z, known().labels),
    "sup_cr": lambda: SupCRLoss()(Z, known().targets),
    "triplet": lambda: TripletLoss()(Z.flatten(0, 1), known().labels.repeat(2)),
    "sogclr": lambda: SogCLRLoss(num_samples=64)(Z[0], Z[1], known().index),
}


@pytest.mark.parametrize("loss", BY_HAND)
def test_the_value_is_that_of_the_loss_called_by_hand(loss):
    torch.testing.assert_close(objective(loss)(Z, known()), BY_HAND[loss]())


def test_more_views_are_the_mean_over_all_pairs_of_them():
    z = projections(views=3)
    torch.testing.assert_close(objective(views=3)(z, known()), PairwiseAggregation(NTXentLoss())(z))
    pairs = [NTXentLoss()(z[a], z[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(objective(views=3)(z, known()), torch.stack(pairs).mean())


def test_class_prototypes_are_learned_and_scored_by_hand():
    made = objective("label_contrast")
    assert made.proxies.shape == (3, 8)
    expected = LabelContrastLoss()(Z.flatten(0, 1), made.proxies, known().labels.repeat(2))
    torch.testing.assert_close(made(Z, known()), expected)


def test_settings_reach_the_loss_and_losses_inside_others():
    assert objective("dcl", loss_settings={"temperature": 0.3}).loss.temperature == 0.3
    nested = {"loss": "info_nce", "loss_settings": {"temperature": 0.2}}
    inner = objective("pairwise_aggregation", loss_settings=nested)
    torch.testing.assert_close(inner(Z, known()), PairwiseAggregation(InfoNCELoss(temperature=0.2))(Z))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "nt_xnt"}, "unknown loss 'nt_xnt'; did you mean"),
        ({"loss_settings": {"temprature": 1}}, "NTXentLoss has no setting temprature; it has temperature"),
        ({"loss_settings": {"temperature": -1.0}}, "settings of NTXentLoss: temperature must be finite and > 0"),
        ({"loss_settings": {"reduction": "none"}}, "NTXentLoss must give one number to train on"),
        ({"sampler_settings": {"n_hard": 3}}, "sampler_settings are given, but no sampler"),
        ({"sampler": "memory_queu"}, "unknown sampler 'memory_queu'"),
        ({"sampler": "memory_queue"}, "NTXentLoss takes no queue; InfoNCELoss"),
        ({"sampler": "hallucinator", "views": 3}, "works on pairs of views; NTXentLoss takes pairs and there are 3"),
        ({"sampler": "hallucinator", "loss": "sup_con"}, "works on pairs of views; SupConLoss takes labels"),
        ({"sampler": "hard_negative_mixing", "loss": "vicreg"}, "VICRegLoss takes no mixed negatives"),
        ({"sampler": "hard_negative_mixing", "sampler_settings": {"n_hard": 0}}, "n_hard must be at least 1"),
        ({"loss": "label_matching", "num_classes": 0}, "LabelMatchingLoss needs images of two classes or more"),
    ],
)
def test_what_cannot_be_is_said_by_name(settings, message):
    with pytest.raises(UserError, match=message):
        objective(**settings)


def test_labels_and_targets_that_are_missing_are_named():
    bare = ImageBatch(known().images, known().index)
    with pytest.raises(UserError, match=r"^SupConLoss needs a label for every image"):
        objective("sup_con")(Z, bare)
    with pytest.raises(UserError, match="SupCRLoss needs a number for every image"):
        objective("sup_cr")(Z, bare)


def test_a_batch_that_is_too_small_for_the_loss_is_an_error_of_the_user():
    with pytest.raises(UserError, match="GroCoLoss: 6 instances leave 5 negatives to an anchor"):
        objective("groco")(Z, known())


EMBEDDING_SAMPLERS = {"MemoryQueue": "info_nce", "HardNegativeMixing": "nt_xent", "Hallucinator": "nt_xent"}
BATCH_SAMPLERS = {"pk", "class_balanced", "redundancy"}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_of_embeddings_trains_a_step_and_the_others_are_refused(sampler):
    if sampler not in EMBEDDING_SAMPLERS:
        with pytest.raises(UserError, match=f"{sampler} (cannot be chosen as a sampler|is no sampler of embeddings)"):
            build("simclr", sampler=sampler)
        return
    settings = {"n_hard": 4, "n_pair": 2, "n_query": 2} if sampler == "HardNegativeMixing" else {}
    method = build(
        "simclr", loss=EMBEDDING_SAMPLERS[sampler], sampler=sampler, sampler_settings=settings, mixing_warmup=0.0
    )
    for _ in range(2):
        value = method.training_step(batch(), 0)
    value.backward()
    assert value.isfinite()
    assert encoder_gradient(method) > 0


@pytest.mark.parametrize("sampler", sorted(BATCH_SAMPLERS))
def test_every_sampler_of_images_makes_batches_that_train(sampler):
    method = build("simclr", sampler=sampler)
    value = method.training_step(next(iter(make_loader(method, digits(), 0))), 0)
    value.backward()
    assert value.isfinite()
    assert encoder_gradient(method) > 0


def test_feature_aware_batches_need_the_model_whose_clusters_they_take():
    with pytest.raises(UserError, match=r"sampler_settings\.model"):
        make_loader(build("simclr", sampler="feature_aware"), digits(), 0)


def test_earlier_second_views_are_the_negatives_and_get_no_gradient():
    made = objective("info_nce", sampler="memory_queue", sampler_settings={"size": 16})
    first, second = projections(seed=1), projections(seed=2).requires_grad_()
    torch.testing.assert_close(made(first, known()), InfoNCELoss()(first[0], first[1]))  # nothing is queued yet
    value = made(second, known())
    torch.testing.assert_close(value, InfoNCELoss()(second[0], second[1], negatives=first[1]))
    value.backward()
    assert not made.queue.rows.requires_grad
    assert made.queue.filled == 12
    made.eval()
    made(second, known())
    assert made.queue.filled == 12  # a look at the loss does not change it


def test_mixed_negatives_come_after_the_warm_up_and_raise_the_loss():
    made = objective(sampler="hard_negative_mixing", sampler_settings={"n_hard": 4}, warmup=0.5)
    plain = NTXentLoss()(Z[0], Z[1])
    torch.testing.assert_close(made(Z, known()), plain)
    made.set_progress(0.49)
    torch.testing.assert_close(made(Z, known()), plain)
    made.set_progress(0.5)
    assert made(Z, known()) > plain + 0.1


def test_mixtures_hold_neither_the_anchor_nor_its_positive():
    """With two images each anchor has two negatives, the views of the other one: a mixture lies between them."""
    z = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]], [[1.0, 0.1, 0], [0, 1.0, 0.1]]])
    made = objective(dim=3, sampler="hard_negative_mixing", sampler_settings={"n_hard": 2, "n_pair": 50, "n_query": 0})
    made.set_progress(1.0)
    unit = normalize(z, dim=-1)
    cosines = made._mixed(z)
    for anchor, other in ((0, 1), (1, 0)):
        bounds = (unit[0, anchor] @ unit[:, other].T).sort().values
        assert (cosines[anchor] >= bounds[0] - 1e-6).all()
        assert (cosines[anchor] <= bounds[1] + 0.01).all()  # unit mixtures lie on the arc, a little above the chord


def test_one_way_mixtures_come_from_the_other_keys():
    """Copies of the hardest key: of two images that is the other one's, for each first view."""
    settings = {"n_hard": 1, "n_pair": 3, "n_query": 0, "replace": True}
    made = objective("info_nce", sampler="hard_negative_mixing", sampler_settings=settings)
    z = projections(n=2)
    unit = normalize(z, dim=-1)
    expected = torch.stack([unit[0, 0] @ unit[1, 1], unit[0, 1] @ unit[1, 0]])
    torch.testing.assert_close(made._mixed(z), expected[:, None].expand(2, 3))


def test_hallucinated_pairs_train_a_network_of_their_own():
    method = build("simclr", sampler="hallucinator")
    method.training_step(batch(), 0).backward()
    assert all(p.grad.abs().sum() > 0 for p in method.objective.loss.hallucinator.parameters())
    assert not any("hallucinator" in name for name in method.encoder.state_dict())
