"""What all losses over stacked views share: their equations at every temperature, limits, invariances, training."""

import pytest
import torch

from core.losses import (
    CACRLoss,
    CropCACRLoss,
    DHELLoss,
    GroCoLoss,
    MomentumCACRLoss,
    MVDHELLoss,
    MVInfoNCELoss,
    NTXentLoss,
    PairwiseAggregation,
    PVCLoss,
    cacr,
    groco,
    mv_dhel,
    mv_info_nce,
    pvc,
)
from core.losses.stacked_views import instance_products, prepared_views
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train
from tests.core.losses import view_oracles

VIEWS, ROWS, WIDTH = 3, 5, 6

# name: (the loss, the oracle); both take views and a temperature, and return terms. CACR's temperatures are inverse,
# and so is GroCo's steepness.
CASES = {
    "mv_info_nce": (
        lambda x, t: mv_info_nce(x, temperature=t, reduction="none"),
        view_oracles.mv_info_nce,
    ),
    "mv_info_nce other views": (
        lambda x, t: mv_info_nce(x, temperature=t, reduction="none", same_view_negatives=False),
        lambda x, t: view_oracles.mv_info_nce(x, t, same_view=False),
    ),
    "mv_dhel": (lambda x, t: mv_dhel(x, temperature=t, reduction="none"), view_oracles.mv_dhel),
    "pvc geometric": (
        lambda x, t: pvc(x, temperature=t, reduction="none"),
        lambda x, t: view_oracles.pvc(x, t, "geometric"),
    ),
    "pvc arithmetic": (
        lambda x, t: pvc(x, temperature=t, reduction="none", aggregation="arithmetic"),
        lambda x, t: view_oracles.pvc(x, t, "arithmetic"),
    ),
    "cacr": (
        lambda x, t: cacr(x, t_pos=0.5 / t, t_neg=1 / t, reduction="none"),
        lambda x, t: view_oracles.cacr(x, 0.5 / t, 1 / t),
    ),
    "cacr detached": (
        lambda x, t: cacr(x, t_pos=0.5 / t, t_neg=1 / t, reduction="none", detach_weights=True),
        lambda x, t: view_oracles.cacr(x, 0.5 / t, 1 / t, detach=True),
    ),
    "cacr one way, debiased": (
        lambda x, t: cacr(x, t_pos=0.5 / t, t_neg=1 / t, reduction="none", symmetric=False, tau_plus=0.1),
        lambda x, t: view_oracles.cacr(x, 0.5 / t, 1 / t, symmetric=False, tau_plus=0.1),
    ),
    "cacr rbf": (
        lambda x, t: cacr(x, t_pos=0.5 / t, t_neg=1 / t, cost="rbf")[None],
        lambda x, t: view_oracles.cacr_rbf(x, 0.5 / t, 1 / t, 2.0),
    ),
    "cacr rbf detached": (
        lambda x, t: cacr(x, t_pos=0.5 / t, t_neg=1 / t, cost="rbf", detach_weights=True, symmetric=False)[None],
        lambda x, t: view_oracles.cacr_rbf(x, 0.5 / t, 1 / t, 2.0, detach=True, symmetric=False),
    ),
    "groco": (
        lambda x, t: groco(x, num_negatives=3, steepness=1 / t, reduction="none"),
        lambda x, t: view_oracles.groco(x, 3, 1 / t),
    ),
    "groco through all": (
        lambda x, t: groco(
            x, num_negatives=3, steepness=1 / t, reduction="none", stop_gradient=False, negatives="all_views"
        ),
        lambda x, t: view_oracles.groco(x, 3, 1 / t, stop=False, all_views=True),
    ),
    "groco logistic": (
        lambda x, t: groco(x, num_negatives=3, steepness=1 / t, reduction="none", distribution="logistic"),
        lambda x, t: view_oracles.groco(x, 3, 1 / t, share=torch.sigmoid),
    ),
}
CONSTANT = {"cacr detached", "cacr rbf detached", "groco", "groco logistic"}  # parts of the gradient are stopped


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(dtype=torch.float32):
    return (draw(1, ROWS, WIDTH) + 0.8 * draw(VIEWS, ROWS, WIDTH, seed=1)).to(dtype)


def gradients(loss, views, t):
    leaf = views.detach().clone().requires_grad_()
    terms = loss(leaf, t)
    terms.sum().backward()
    return terms.detach(), leaf.grad


@pytest.mark.parametrize("name", CASES)
def test_the_equation_in_double_precision(name):
    ours, oracle = CASES[name]
    for t in (1.0, 0.05):
        terms, grad = gradients(ours, batch(torch.float64), t)
        expected, expected_grad = gradients(oracle, batch(torch.float64), t)
        torch.testing.assert_close(terms, expected, rtol=1e-10, atol=1e-11)
        torch.testing.assert_close(grad, expected_grad, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_at_every_temperature(name, t, precision):
    ours, oracle = CASES[name]
    views = batch()
    if precision == "float32":
        terms, grad = gradients(ours, views, t)
    else:
        views = views.bfloat16()  # what an encoder hands over under autocast; the loss must not round again
        with torch.autocast("cpu", torch.bfloat16):
            terms, grad = gradients(ours, views, t)
    expected, expected_grad = gradients(oracle, views.double(), t)
    assert terms.dtype == torch.float32
    if name == "groco logistic":  # exp(-1000) is below the numbers of float32, where the logarithm stops
        expected = torch.where(expected > 17, terms.double(), expected)
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=2e-6 / t)
    assert grad.isfinite().all()
    if name == "groco logistic" and t < 0.1:
        return
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)  # a bfloat16 leaf gets a bfloat16 gradient
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
@pytest.mark.parametrize("name", CASES)
def test_finite_at_the_limits(name, kind, t):
    views = torch.arange(1.0, WIDTH + 1).repeat(VIEWS, ROWS, 1)
    views[1] *= {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind]
    terms, grad = gradients(CASES[name][0], views, t)
    assert terms.isfinite().all()
    assert grad.isfinite().all()


@pytest.mark.parametrize("name", CASES)
def test_zero_rows_have_cosine_zero_and_no_gradient(name):
    views = batch()
    views[1, 2] = 0
    _, grad = gradients(CASES[name][0], views, 0.1)
    assert grad[1, 2].norm() == 0
    assert (grad.norm(dim=2) > 0).sum() >= VIEWS * ROWS // 2


@pytest.mark.parametrize("name", sorted(CASES.keys() - CONSTANT))
def test_first_order_gradients_hold_in_float64(name):
    views = batch(torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: CASES[name][0](x, 0.3), (views,), fast_mode=True)


@pytest.mark.parametrize("name", ["mv_info_nce", "mv_info_nce other views", "mv_dhel", "pvc geometric"])
def test_temperature_gets_its_gradient(name):
    ours, oracle = CASES[name]
    found, expected = (torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    ours(batch(torch.float64), found).sum().backward()
    oracle(batch(torch.float64), expected).sum().backward()
    torch.testing.assert_close(found.grad, expected.grad)


LOSSES = {
    "mv_info_nce": MVInfoNCELoss,
    "mv_dhel": MVDHELLoss,
    "pvc": PVCLoss,
    "cacr": CACRLoss,
    "groco": lambda **settings: GroCoLoss(num_negatives=3, **settings),
    "pairwise": lambda **settings: PairwiseAggregation(NTXentLoss(**settings)),
    "mean_of_rest": lambda **settings: PairwiseAggregation(NTXentLoss(**settings), mode="mean_of_rest"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_permutation_rotation_and_row_lengths_leave_the_value(name):
    loss, views = LOSSES[name](), batch(torch.float64)
    value = loss(views)
    rotation = torch.linalg.qr(draw(WIDTH, WIDTH, seed=3).double())[0]
    lengths = 0.1 + draw(VIEWS, ROWS, 1, seed=4).double().abs()
    changed = [views[torch.tensor([2, 0, 1])], views[:, torch.tensor([3, 0, 4, 1, 2])], views @ rotation]
    for other in [*changed, views * lengths]:
        torch.testing.assert_close(loss(other), value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_reductions_agree_and_modules_show_their_settings(name):
    views = batch(torch.float64)
    terms = LOSSES[name](reduction="none")(views)
    length = {"pvc": VIEWS, "groco": VIEWS, "pairwise": 2, "mean_of_rest": 2}.get(name, 1) * ROWS
    assert terms.shape == (length,)
    torch.testing.assert_close(LOSSES[name](reduction="sum")(views), terms.sum())
    torch.testing.assert_close(LOSSES[name]()(views), terms.mean())
    assert LOSSES[name]().state_dict() == {}


@pytest.mark.parametrize("name", LOSSES)
def test_shares_of_the_anchors_average_to_the_whole(name):
    loss, views = LOSSES[name](), draw(VIEWS, 6, WIDTH).double().requires_grad_()
    whole = loss(views)
    shares = torch.stack([loss(views, rows=slice(first, first + 2)) for first in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, whole, rtol=1e-12, atol=1e-12)
    for mine, theirs in zip(torch.autograd.grad(shares, views), torch.autograd.grad(whole, views), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named(name):
    loss = LOSSES[name]()
    with pytest.raises(TypeError, match=r"views must be a floating tensor, got torch\.int64"):
        loss(torch.ones(2, 4, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="views must have 3 axes"):
        loss(torch.ones(4, 3))
    with pytest.raises(ValueError, match="the number of views must be at least 2, got 1"):
        loss(torch.ones(1, 4, 3))
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        loss(torch.ones(2, 1, 3))
    with pytest.raises(ValueError, match="rows must be a slice"):
        loss(torch.randn(2, 4, 3), rows=slice(2, 9))
    with pytest.raises(ValueError, match="reduction must be one of"):
        LOSSES[name](reduction="median")


def test_views_are_prepared_and_multiplied_instance_by_instance():
    views = batch(torch.float64)
    unit = prepared_views(views)
    torch.testing.assert_close(unit.norm(dim=2), torch.ones(VIEWS, ROWS, dtype=torch.float64))
    assert prepared_views(views, normalize=False) is views
    products = instance_products(unit)
    assert float(products[4, 0, 2]) == pytest.approx(float(unit[0, 4].dot(unit[2, 4])))


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


TRAINED = {
    "mv_info_nce": MVInfoNCELoss(temperature=0.3),
    "mv_dhel": MVDHELLoss(temperature=0.3),
    "pvc": PVCLoss(temperature=0.3),
    "pvc_arithmetic": PVCLoss(temperature=0.3, aggregation="arithmetic"),
    "dhel": DHELLoss(),
    "pairwise": PairwiseAggregation(NTXentLoss(temperature=0.3)),
    "cacr": CACRLoss(),
    "cacr_rbf": CACRLoss(cost="rbf", detach_weights=True),
    "momentum_cacr": MomentumCACRLoss(),
    "crop_cacr": CropCACRLoss(temperature=0.3),
    "groco": GroCoLoss(),
    "groco_bitonic": GroCoLoss(network="bitonic"),
}


@pytest.mark.parametrize("name", TRAINED)
def test_a_short_training_run_beats_its_untrained_start(name, digits):
    loss, model, draw = TRAINED[name], encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)
    queue = torch.randn(128, 16, generator=draw)

    def step(_):
        nonlocal queue
        images = digits.images[digits.batch(128, draw)]
        views = torch.stack([model(moved(images, draw)) for _ in range(3)])
        if name == "dhel":
            return loss(views[0], views[1])
        if name == "crop_cacr":
            return loss(views[1:], views[0])
        if name == "momentum_cacr":  # the keys of the step before are the queue
            before, queue = queue, views[0].detach()
            return loss(views, views, queue=before)
        return loss(views)

    train([model], step)
    assert knn_accuracy(model, digits) > start + 0.05
