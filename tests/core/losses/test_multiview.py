"""MV-InfoNCE, MV-DHEL, PVC, DHEL and pairwise aggregation: hand values, limits, relations, where gradients go."""

import math

import pytest
import torch

from core.losses import (
    DHELLoss,
    MVDHELLoss,
    MVInfoNCELoss,
    NTXentLoss,
    PairwiseAggregation,
    PVCLoss,
    dcl,
    dhel,
    mv_dhel,
    mv_info_nce,
    nt_xent,
    pvc,
)
from tests.core.losses import oracles, view_oracles


def stack(v=3, n=5, d=4, seed=0):
    return torch.randn(v, n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("v", "info_nce", "separate"),
    [(2, 0.5514447, -1.0), (3, 0.4394279, -2.0986123), (4, 0.3991157, -2.7917595)],
)
def test_hand_values_of_equal_views_of_two_orthogonal_instances(v, info_nce, separate):
    views = torch.eye(2).repeat(v, 1, 1)
    assert float(mv_info_nce(views, temperature=1.0)) == pytest.approx(info_nce, abs=1e-6)
    assert float(mv_info_nce(views, temperature=1.0)) == pytest.approx(
        math.log((v + (v - 1) * math.e) / ((v - 1) * math.e)), abs=1e-6
    )
    assert float(mv_dhel(views, temperature=1.0)) == pytest.approx(separate, abs=1e-6)


@pytest.mark.parametrize(("v", "info_nce", "separate"), [(2, 1.9459101, 4.1972246), (3, 1.7047481, 6.1972246)])
def test_collapse(v, info_nce, separate):
    views = torch.ones(v, 4, 3)
    assert float(mv_info_nce(views, temperature=0.5)) == pytest.approx(info_nce, abs=2e-6)
    assert float(mv_dhel(views, temperature=0.5)) == pytest.approx(separate, abs=2e-6)
    for aggregation in ("geometric", "arithmetic"):
        assert float(pvc(views, aggregation=aggregation)) == pytest.approx(math.log(1 + v * 3), abs=2e-6)
    # the published denominator: v (v - 1) n candidates over v (v - 1) ordered positives
    assert float(mv_info_nce(views, same_view_negatives=False)) == pytest.approx(math.log(4), abs=2e-6)


@pytest.mark.parametrize("include", [True, False])
def test_dhel_is_its_equation(include):
    first, second = stack(2)
    a, b, t = oracles.unit(first), oracles.unit(second), 0.3
    expected = []
    for i in range(5):
        term = -a[i].dot(b[i]) / t + oracles.log_sum([a[i].dot(a[j]) / t for j in range(5) if j != i])
        if include:
            term = term + oracles.log_sum([b[i].dot(b[j]) / t for j in range(5) if j != i])
        expected.append(term)
    terms = DHELLoss(reduction="none", include_second_view=include)(first, second)
    torch.testing.assert_close(terms, torch.stack(expected))
    torch.testing.assert_close(dhel(first, second, include_second_view=include), terms.mean())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
def test_dhel_at_every_temperature(t, precision):
    views = stack(2).to(getattr(torch, precision)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        terms = dhel(views[0], views[1], temperature=t, reduction="none")
    expected = view_oracles.mv_dhel(views.detach(), t)
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.detach().double(), expected, rtol=1e-5, atol=1e-6 / t)
    terms.sum().backward()
    assert views.grad.isfinite().all()


def test_dhel_takes_shares_of_the_anchors_and_names_mistakes():
    first, second = stack(2, n=6)
    shares = torch.stack([dhel(first, second, rows=slice(r, r + 3)) for r in (0, 3)]).mean()
    torch.testing.assert_close(shares, dhel(first, second))
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        dhel(first[:1], second[:1])
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        DHELLoss(temperature=0.0)
    assert "include_second_view=True" in repr(DHELLoss())


def test_two_views():
    views = stack(2)
    for t in (1.0, 0.1):
        torch.testing.assert_close(mv_dhel(views, temperature=t), dhel(views[0], views[1], temperature=t))
        plain = nt_xent(views[0], views[1], temperature=t)
        assert float(mv_info_nce(views, temperature=t)) > float(plain)
        for aggregation in ("geometric", "arithmetic"):
            torch.testing.assert_close(pvc(views, temperature=t, aggregation=aggregation), plain)


def test_multi_view_info_nce_of_two_views_is_nt_xent_where_denominators_agree():
    """The exact gap is log of the arithmetic over the geometric mean of the two denominators."""
    views = stack(2)
    alike = torch.stack([views[0], views[0] * 3])
    torch.testing.assert_close(mv_info_nce(alike, temperature=0.3), nt_xent(alike[0], alike[1], temperature=0.3))
    terms = nt_xent(views[0], views[1], temperature=0.3, reduction="none").reshape(2, -1)
    torch.testing.assert_close(
        mv_info_nce(views, temperature=0.3, reduction="none"), terms.logsumexp(dim=0) - math.log(2)
    )


def test_ordered_pairs_count_log_two_more_than_unordered_ones():
    """MV-DHEL takes unordered pairs, MV-InfoNCE adds log 2: their positive parts differ by exactly that."""
    views, t = stack(3), 0.4
    u = view_oracles.units(views)
    for i in range(5):
        ordered = oracles.log_sum([u[a][i].dot(u[b][i]) / t for a in range(3) for b in range(3) if a != b])
        unordered = view_oracles.positive_part(u, i, t)
        assert float(ordered - unordered) == pytest.approx(math.log(2), abs=1e-12)
    spread = mv_dhel(views, temperature=t, reduction="none") + torch.stack(
        [view_oracles.positive_part(u, i, t) for i in range(5)]
    )
    same = [oracles.log_sum([view[0].dot(view[j]) / t for j in range(1, 5)]) for view in u]
    assert float(spread[0]) == pytest.approx(float(sum(same)), abs=1e-10)


def test_published_and_released_denominators_differ():
    views = stack(3)
    released, published = mv_info_nce(views), mv_info_nce(views, same_view_negatives=False)
    assert abs(float(released - published)) > 0.1
    torch.testing.assert_close(MVInfoNCELoss(same_view_negatives=False)(views), published)


def test_the_spread_of_multi_view_dhel_stays_inside_a_view():
    """With the gradient of the positive part taken off, row (l, i) moves within the span of view l alone."""
    v, n, t = 3, 3, 0.5
    views = torch.zeros(v, n, v * n, dtype=torch.float64)  # view l lives in its own three axes
    block = stack(v, n, n, seed=2)
    for view in range(v):
        views[view, :, view * n : (view + 1) * n] = block[view]
    leaf = views.requires_grad_()
    u = view_oracles.units(leaf)
    positive = sum(view_oracles.positive_part(u, i, t) for i in range(n))
    (mv_dhel(leaf, temperature=t, reduction="sum") + positive).backward()
    for view in range(v):
        outside = torch.ones(v * n, dtype=torch.bool)
        outside[view * n : (view + 1) * n] = False
        assert leaf.grad[view][:, outside].abs().max() < 1e-12
        assert leaf.grad[view].norm(dim=1).min() > 1e-3


def test_the_closest_pair_gets_most_of_the_pull():
    """Weights of positives are a softmax over pairs; with orthogonal instances nothing else acts along them."""
    angles = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64, requires_grad=True)
    first = torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=1)
    other = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(3, 3)
    value = mv_dhel(torch.stack([first, other], dim=1), temperature=0.1, reduction="none")[0]
    (grad,) = torch.autograd.grad(value, angles)
    close, middle, far = (math.exp(math.cos(x) / 0.1) for x in (0.1, 0.9, 1.0))
    pull = close / (close + middle + far) * math.sin(0.1) / 0.1 + far / (close + middle + far) * math.sin(1.0) / 0.1
    assert float(grad[0]) == pytest.approx(-pull, rel=1e-9)


def test_nearly_collapsed_views_neither_overflow_nor_vanish():
    """The product of twelve sums of exponentials, as released, is infinite in float32 here."""
    draw = torch.Generator().manual_seed(0)
    views = (torch.ones(12, 256, 8) + 1e-3 * torch.randn(12, 256, 8, generator=draw)).requires_grad_()
    unit = torch.nn.functional.normalize(views.detach(), dim=2)
    sums = (unit @ unit.mT / 0.05).exp().sum(dim=2)
    assert sums.prod(dim=0).isinf().any()
    for loss in (MVDHELLoss, MVInfoNCELoss, PVCLoss):
        value = loss(temperature=0.05)(views)
        (grad,) = torch.autograd.grad(value, views)
        assert value.isfinite()
        assert grad.isfinite().all()
        assert grad.abs().max() > 0


def test_geometric_is_never_below_arithmetic_and_both_are_means_of_anchors():
    """The code base of MV-DHEL takes logsumexp of batch means minus log n, which is another number."""
    views, t = stack(3), 0.3
    geometric = pvc(views, temperature=t, reduction="none")
    arithmetic = pvc(views, temperature=t, aggregation="arithmetic", reduction="none")
    assert geometric.shape == (15,)
    assert (geometric >= arithmetic - 1e-12).all()
    assert float((geometric - arithmetic).max()) > 1e-3
    u = view_oracles.units(views)
    ordered = []
    for a, b in ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)):
        losses = []
        for i in range(5):
            s = u[a][i].dot(u[b][i]) / t
            losses.append(oracles.log_sum([s, *[u[a][i].dot(m[j]) / t for m in u for j in range(5) if j != i]]) - s)
        ordered.append(torch.stack(losses).mean())
    torch.testing.assert_close(torch.stack(ordered).mean(), geometric.mean())
    released = torch.stack(ordered).logsumexp(0) - math.log(5)
    assert abs(float(released - arithmetic.mean())) > 0.1


def test_pairs_average_the_wrapped_loss():
    views = stack(3)
    loss = NTXentLoss(temperature=0.3)
    torch.testing.assert_close(PairwiseAggregation(loss)(views[:2]), loss(views[0], views[1]))
    expected = (loss(views[0], views[1]) + loss(views[0], views[2]) + loss(views[1], views[2])) / 3
    torch.testing.assert_close(PairwiseAggregation(loss)(views), expected)
    separate = DHELLoss(reduction="none")
    terms = [separate(views[a], views[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(PairwiseAggregation(separate)(views), torch.stack(terms).mean(dim=0))


def test_mean_of_rest_leaves_normalising_the_mean_to_the_loss():
    """The released AVG keeps the shorter mean: that is ``normalize=False``."""
    views = stack(3)
    u = torch.stack(view_oracles.units(views))
    rest = [(u[1] + u[2]) / 2, (u[0] + u[2]) / 2, (u[0] + u[1]) / 2]
    values = []
    for normalize in (False, True):
        loss = NTXentLoss(temperature=0.3, normalize=normalize)
        expected = torch.stack([loss(u[i], rest[i]) for i in range(3)]).mean()
        values.append(PairwiseAggregation(loss, mode="mean_of_rest")(views))
        torch.testing.assert_close(values[-1], expected)
    assert abs(float(values[0] - values[1])) > 1e-2


@pytest.mark.usefixtures("unchecked")
def test_pairwise_shows_its_mode_and_passes_the_reduction_on():
    loss = PairwiseAggregation(NTXentLoss(reduction="sum"), mode="mean_of_rest")
    assert loss.reduction == "sum"
    assert "mode='mean_of_rest'" in repr(loss)
    with pytest.raises(ValueError, match="mode must be one of 'pairs', 'mean_of_rest', got 'all'"):
        PairwiseAggregation(NTXentLoss(), mode="all")


def test_dot_products_instead_of_cosines():
    views = torch.nn.functional.normalize(stack(3), dim=2) * 1.5
    unit = torch.nn.functional.normalize(views, dim=2)
    for loss in (mv_info_nce, mv_dhel, pvc):
        torch.testing.assert_close(loss(views, temperature=0.9, normalize=False), loss(unit, temperature=0.4))


@pytest.mark.usefixtures("unchecked")
def test_bad_settings_are_refused():
    for loss in (MVInfoNCELoss, MVDHELLoss, PVCLoss):
        with pytest.raises(ValueError, match="temperature must be finite and > 0, got -1"):
            loss(temperature=-1.0)
    with pytest.raises(ValueError, match="aggregation must be one of 'geometric', 'arithmetic', got 'harmonic'"):
        PVCLoss(aggregation="harmonic")
    with pytest.raises(ValueError, match="temperature must be finite and > 0, got 0"):
        mv_dhel(stack(), temperature=0.0)


def test_the_kernel_works_in_tiles_where_the_batch_is_large():
    """4400 rows are beyond the plain matrix; the tiled value is that of a float64 matrix."""
    views = torch.randn(2, 2200, 4, generator=torch.Generator().manual_seed(1))
    u = torch.nn.functional.normalize(views.double(), dim=2)
    spread = sum((view @ view.T / 0.2).fill_diagonal_(-torch.inf).logsumexp(dim=1) for view in u)
    expected = spread - (u[0] * u[1]).sum(dim=1) / 0.2
    torch.testing.assert_close(
        mv_dhel(views, temperature=0.2, reduction="none").double(), expected, rtol=1e-5, atol=1e-5
    )


def test_decoupling_the_views_is_not_dcl():
    """DCL's negatives are the rows of both views, DHEL's of one: they agree on neither value nor sum."""
    views = stack(2)
    assert abs(float(dhel(views[0], views[1], temperature=0.1) - dcl(views[0], views[1], temperature=0.1))) > 0.1
