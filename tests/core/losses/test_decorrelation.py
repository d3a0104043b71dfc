"""What Barlow Twins and VICReg share: equations in all types, few and many rows, constant columns, memory, errors."""

import pytest
import torch

from core.distributed import GatheredLoss
from core.losses import BarlowTwinsLoss, VICRegLoss
from core.losses.decorrelation import off_diagonal_squares, unit_columns
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train
from tests.core.losses import decorrelation_oracles
from tests.core.processes import Outcome, assert_equal_to_one_process

LOSSES = {"barlow_twins": BarlowTwinsLoss, "vicreg": VICRegLoss}
ORACLES = {"barlow_twins": decorrelation_oracles.barlow_twins, "vicreg": decorrelation_oracles.vicreg}
SHAPES = [(9, 4), (5, 12), (2, 3), (2, 9), (6, 1)]  # (d, d) products, (n, n) products, the least batch, one column


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(rows, width, dtype=torch.float64):
    key = 1.5 * draw(rows, width) + 0.3
    return key.to(dtype), (key + 0.5 * draw(rows, width, seed=1)).to(dtype)


def gradients(loss, query, key):
    leaves = [x.detach().clone().requires_grad_() for x in (query, key)]
    value = loss(*leaves)
    value.backward()
    return value.detach(), torch.cat([leaf.grad for leaf in leaves])


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_are_those_of_the_equation(name, shape, precision):
    query, key = pair(*shape, getattr(torch, precision))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        value, grad = gradients(LOSSES[name](), query, key)
    expected, expected_grad = gradients(ORACLES[name], query.double(), key.double())
    assert value.dtype == (torch.float64 if precision == "float64" else torch.float32)
    fine = 1e-10 if precision == "float64" else 2e-5
    torch.testing.assert_close(value.double(), expected, rtol=fine, atol=fine)
    coarse = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 1e-2}[precision]
    scale = max(float(expected_grad.abs().max()), 1e-2)  # at n = 2 correlations are +-1, and their gradient 0
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", LOSSES)
def test_first_order_gradients_hold_in_float64(name, shape):
    query, key = (x.requires_grad_() for x in pair(*shape))
    assert torch.autograd.gradcheck(LOSSES[name](), (query, key), fast_mode=True)


@pytest.mark.parametrize("name", LOSSES)
def test_order_of_rows_and_features_and_a_common_shift_do_not_matter(name):
    loss, (query, key) = LOSSES[name](), pair(9, 4)
    value, rows, features = loss(query, key), draw(9).argsort(), draw(4).argsort()
    torch.testing.assert_close(loss(query[rows], key[rows]), value)
    torch.testing.assert_close(loss(query[:, features], key[:, features]), value)
    torch.testing.assert_close(loss(query + 7, key + 7), value)
    torch.testing.assert_close(loss(key, query), value)
    assert abs(float(loss(query[rows], key)) - float(value)) > 0.1, "rows are pairs"


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.7, 333333.3, 1e-9, 1e15])
@pytest.mark.parametrize("name", LOSSES)
def test_constant_columns_are_no_nan_and_get_no_gradient(name, constant):
    """The mean of equal numbers is rounded; what is left of the column must not be blown up to unit length."""
    query, key = pair(1000, 3, torch.float32)
    query[:, 1] = constant
    key[:, 1] = constant
    value, grad = gradients(LOSSES[name](), query, key)
    assert grad.isfinite().all()
    if name == "barlow_twins":
        assert not grad[:, 1].any()
        others, rest = gradients(BarlowTwinsLoss(), query[:, [0, 2]], key[:, [0, 2]])
        torch.testing.assert_close(value, others + 1)
        torch.testing.assert_close(grad[:, [0, 2]], rest)
    elif abs(constant) < 1e6:
        torch.testing.assert_close(grad[:, 1], torch.zeros(2000), rtol=0, atol=1e-3)


@pytest.mark.parametrize("constant", [0.1, 33.3, 1e4])
def test_unit_columns_have_mean_zero_and_length_one(constant):
    z = draw(500, 2) * torch.tensor([1.0, 5.0]) + torch.tensor([constant, 0.0])
    z = torch.cat([z, torch.full((500, 1), constant)], dim=1)
    unit = unit_columns(z)
    torch.testing.assert_close(unit.square().sum(dim=0), torch.tensor([1.0, 1.0, 0.0]))
    assert not unit[:, 2].any()


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (20, 40), (21, 40)])
def test_both_ways_to_sum_the_squares_agree(shape):
    first, second = draw(*shape).double(), draw(*shape, seed=1).double()
    products = first.T @ second
    expected = products.square().sum() - products.diagonal().square().sum()
    torch.testing.assert_close(off_diagonal_squares(first, second), expected)


@pytest.mark.parametrize(("rows", "width", "most"), [(8, 2048, 8 * 2048), (4096, 8, 4096 * 8), (512, 512, 512 * 512)])
@pytest.mark.parametrize("name", LOSSES)
def test_memory_is_that_of_the_smaller_square_and_the_batch(name, rows, width, most):
    """Nothing that is kept for the backward is larger than the batch or the smaller of (d, d) and (n, n)."""
    query, key = (x.requires_grad_() for x in pair(rows, width, torch.float32))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        LOSSES[name]()(query, key)
    assert max(kept) <= most
    assert sum(kept) <= 30 * rows * width + 6 * min(rows, width) ** 2


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named(name):
    loss, rows = LOSSES[name](), torch.randn(4, 3)
    with pytest.raises(ValueError, match="query and key must have the same shape"):
        loss(rows, rows[:2])
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        loss(rows[:1], rows[:1])
    with pytest.raises(TypeError, match=r"query must be a floating tensor, got torch\.int64"):
        loss(rows.long(), rows)
    with pytest.raises(ValueError, match="query must have 2 axes"):
        loss(rows[0], rows[0])
    settings = {"barlow_twins": ["lambda_param"], "vicreg": ["lambda_param", "mu_param", "nu_param"]}[name]
    for setting in settings:
        for wrong in (-1.0, float("inf"), float("nan")):
            with pytest.raises(ValueError, match=f"{setting} must be finite and >= 0"):
                LOSSES[name](**{setting: wrong})
    for setting in {"barlow_twins": ["scale_loss"], "vicreg": ["eps"]}[name]:
        with pytest.raises(ValueError, match=f"{setting} must be finite and > 0, got 0"):
            LOSSES[name](**{setting: 0.0})


def step(model, batch, name):
    return Outcome(GatheredLoss(LOSSES[name]())(model(batch.first), model(batch.second)))


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_processes_equal_one_process_on_the_joined_batch(gloo_pool, world, name):
    """Means, variances and correlations are those of all rows, not averages over the processes' own."""
    assert_equal_to_one_process(gloo_pool(world), step, name)


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


@pytest.mark.parametrize("name", LOSSES)
def test_a_short_training_run_beats_its_untrained_start(name, digits):
    # lambda weighs d - 1 products a feature: the default is for thousands of features, here are 16
    loss = BarlowTwinsLoss(lambda_param=0.05) if name == "barlow_twins" else VICRegLoss()
    model, generator = encoder(), torch.Generator().manual_seed(0)
    start = knn_accuracy(model, digits)

    def step(_):
        images = digits.images[digits.batch(128, generator)]
        return loss(model(moved(images, generator)), model(moved(images, generator)))

    losses = train([model], step, steps=200)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert knn_accuracy(model, digits) > start + 0.05
