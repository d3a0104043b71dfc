"""PixPro and PixContrast: hand values, images without positives, invariances, memory, errors."""

import math

import pytest
import torch

from core.heads import PixelPropagation
from core.losses import (
    PixContrastLoss,
    PixProLoss,
    info_nce,
    negative_cosine,
    pix_contrast,
    pix_pro,
    positive_pixel_mask,
)
from core.losses import dense as dense_module
from tests.core.losses import dense_oracles
from tests.core.losses.test_pixel_grid import boxes

H, W = 2, 3
PIXELS = H * W


def maps(n=4, c=5, seed=0, dtype=torch.float64, h=H, w=W):
    return torch.randn(n, c, h, w, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def masks(n=4, seed=2, share=0.4):
    """The first image has no positive, the second only positives, the others pixels of both kinds."""
    mask = torch.rand(n, PIXELS, PIXELS, generator=torch.Generator().manual_seed(seed)) < share
    mask[0], mask[1], mask[2, 0] = False, True, False
    return mask


def test_pix_pro_is_the_equation():
    prediction, target, mask = maps(), maps(seed=1), masks()
    expected = dense_oracles.pix_pro(prediction, target, mask)
    torch.testing.assert_close(pix_pro(prediction, target, mask, reduction="none"), expected)
    torch.testing.assert_close(PixProLoss()(prediction, target, mask), expected.mean())
    torch.testing.assert_close(PixProLoss(reduction="sum")(prediction, target, mask), expected.sum())
    torch.testing.assert_close(PixProLoss(factor=1.0)(prediction, target, mask), expected.mean() / 2)


def test_pix_contrast_is_the_equation():
    query, key, mask = maps(), maps(seed=1), masks()
    expected = dense_oracles.pix_contrast(query, key, mask, 0.3)
    torch.testing.assert_close(pix_contrast(query, key, mask, reduction="none"), expected)
    torch.testing.assert_close(PixContrastLoss()(query, key, mask), expected.mean())
    torch.testing.assert_close(PixContrastLoss(reduction="sum")(query, key, mask), expected.sum())


def test_both_directions_of_a_perfect_pix_pro_give_minus_four():
    constant = torch.nn.functional.normalize(maps(1, h=1, w=1), dim=1).expand(4, -1, H, W)
    mask = masks()
    mask[0, 0, 0] = True
    loss = PixProLoss()
    total = loss(constant, constant, mask) + loss(constant, constant, mask.mT)
    assert float(total) == pytest.approx(-4, abs=1e-12)
    opposite = loss(-constant, constant, mask) + loss(constant, -constant, mask.mT)
    assert float(opposite) == pytest.approx(4, abs=1e-12)


def test_without_overlap_the_loss_is_zero_with_a_zero_gradient():
    """The released code divides by 1e-6 there; a mean over no pair would be NaN."""
    left, right = torch.tensor([[0.0, 0.0, 0.3, 0.3]]), torch.tensor([[0.6, 0.6, 1.0, 1.0]])
    mask = positive_pixel_mask(left, right, H, W)
    for loss in (PixProLoss(), PixContrastLoss()):
        first, second = maps(1).requires_grad_(), maps(1, seed=1).requires_grad_()
        value = loss(first, second, mask)
        value.backward()
        assert value.item() == 0
        assert not first.grad.any()
        assert second.grad is None or not second.grad.any()


def test_images_without_positives_count_as_zero_in_the_mean():
    first, second, mask = maps(), maps(seed=1), masks()
    for loss in (pix_pro, pix_contrast):
        terms = loss(first, second, mask, reduction="none")
        assert terms[0] == 0
        assert terms[2:].all()
        torch.testing.assert_close(loss(first, second, mask), terms[1:].sum() / 4)


def test_with_all_pairs_positive_pix_pro_is_the_mean_cosine():
    """T to infinity and no propagation: -2 times the mean of all pixel cosines, in each direction."""
    first, second = maps(), maps(seed=1)
    mask = torch.ones(4, PIXELS, PIXELS, dtype=torch.bool)
    a, b = (torch.nn.functional.normalize(m.flatten(2), dim=1) for m in (first, second))
    cosines = torch.einsum("ncp,ncq->npq", a, b)
    torch.testing.assert_close(pix_pro(first, second, mask), -2 * cosines.mean())
    torch.testing.assert_close(pix_pro(second, first, mask.mT), -2 * cosines.mean())


def test_one_pixel_is_the_negative_cosine():
    first, second = maps(h=1, w=1), maps(seed=1, h=1, w=1)
    found = pix_pro(first, second, torch.ones(4, 1, 1, dtype=torch.bool), factor=1.0)
    torch.testing.assert_close(found, negative_cosine(first.flatten(1), second.flatten(1)))


def test_pix_contrast_with_two_pixels_by_hand():
    """P = 2 and similarities (s_pos, s_neg): log(1 + exp((s_neg - s_pos) / t))."""
    query = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 2)
    angles = torch.tensor([0.4, 1.3])
    key = torch.stack([angles.cos(), angles.sin()]).reshape(1, 2, 1, 2)
    mask = torch.tensor([[[True, False], [True, False]]])
    for t in (1.0, 0.3, 0.05):
        expected = math.log1p(math.exp((math.cos(1.3) - math.cos(0.4)) / t))
        assert float(pix_contrast(query, key, mask, temperature=t)) == pytest.approx(expected, rel=1e-5)


def test_pix_contrast_is_zero_when_every_pixel_is_positive():
    query, key = maps().requires_grad_(), maps(seed=1)
    value = pix_contrast(query, key, torch.ones(4, PIXELS, PIXELS, dtype=torch.bool), temperature=0.01)
    value.backward()
    assert value.item() == 0
    assert not query.grad.any()


def test_pix_contrast_has_one_logarithm_per_pixel():
    """Not the quotient of two sums over all pixels, as in a known port."""
    query, key = maps(2), maps(2, seed=1)
    mask = torch.eye(PIXELS, dtype=torch.bool).expand(2, -1, -1)
    rows = [[m[n].flatten(1).T for m in (query, key)] for n in range(2)]
    expected = torch.stack([info_nce(q, k, temperature=0.3) for q, k in rows]).mean()
    torch.testing.assert_close(pix_contrast(query, key, mask), expected)
    cosines = torch.stack([torch.nn.functional.cosine_similarity(q[:, None], k[None], dim=2) for q, k in rows])
    weights = (cosines / 0.3).exp()
    port = -(weights[mask].sum() / weights.sum()).log()
    assert abs(port - expected) > 0.01


def test_swapping_the_views_leaves_the_total():
    first, second, q, k = maps(8), maps(8, seed=1), boxes(8), boxes(8, seed=1)
    mask, back = positive_pixel_mask(q, k, H, W), positive_pixel_mask(k, q, H, W)
    for loss in (pix_pro, pix_contrast):
        total = loss(first, second, mask) + loss(second, first, back)
        torch.testing.assert_close(total, loss(second, first, mask.mT) + loss(first, second, back.mT))


@pytest.mark.parametrize("loss", [pix_pro, pix_contrast])
def test_invariances(loss):
    first, second, mask = maps(), maps(seed=1), masks()
    value = loss(first, second, mask)
    lengths = 0.1 + torch.rand(4, 1, H, W, generator=torch.Generator().manual_seed(3)).double()
    torch.testing.assert_close(loss(first * lengths, second, mask), value)
    torch.testing.assert_close(loss(first, 7 * second, mask), value)
    rotation = torch.linalg.qr(maps(1, c=5, h=5, w=1)[0, :, :, 0])[0]
    turned = (torch.einsum("dc,nchw->ndhw", rotation, m) for m in (first, second))
    torch.testing.assert_close(loss(*turned, mask), value)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(loss(first[order], second[order], mask[order]), value)
    pixels = torch.randperm(PIXELS, generator=torch.Generator().manual_seed(4))
    moved = second.flatten(2)[:, :, pixels].reshape(second.shape)
    torch.testing.assert_close(loss(first, moved, mask[:, :, pixels]), value)
    alone = loss(first[3:], second[3:], mask[3:])  # images do not meet
    torch.testing.assert_close(alone, loss(first, second, mask, reduction="none")[3])


def test_no_gradient_reaches_the_targets_of_pix_pro():
    prediction, target, mask = maps().requires_grad_(), maps(seed=1).requires_grad_(), masks()
    pix_pro(prediction, target, mask).backward()
    assert target.grad is None
    pix_pro(prediction, target, mask, stop_gradient=False).backward()
    assert target.grad[2:].abs().sum() > 0


@pytest.mark.parametrize("stop", [True, False])
def test_gradcheck_of_pix_pro(stop):
    leaves = [maps().requires_grad_(), maps(seed=1).requires_grad_(not stop)]
    assert torch.autograd.gradcheck(lambda a, b: pix_pro(a, b, masks(), stop_gradient=stop), leaves, fast_mode=True)


def test_half_precision_is_scored_in_float32():
    first, second, mask = maps().bfloat16(), maps(seed=1).bfloat16(), masks()
    expected = pix_pro(first.float(), second.float(), mask)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(pix_pro(first, second, mask), expected)
    assert expected.dtype == torch.float32


@pytest.mark.parametrize("loss", [pix_pro, pix_contrast])
@pytest.mark.parametrize("kind", ["equal", "zero", "opposite", "huge", "tiny"])
def test_finite_at_the_limits(loss, kind):
    scale = {"equal": 1.0, "zero": 0.0, "opposite": -1.0, "huge": 1e15, "tiny": 1e-9}[kind]
    first = torch.ones(4, 5, H, W, requires_grad=True)
    second = (scale * torch.ones(4, 5, H, W)).requires_grad_()
    value = loss(first, second, masks())
    value.backward()
    assert value.isfinite()
    assert first.grad.isfinite().all()
    assert second.grad is None or second.grad.isfinite().all()


def test_zero_pixels_have_cosine_zero_and_no_gradient():
    for loss in (pix_pro, pix_contrast):
        first, second = maps(), maps(seed=1)
        first[3, :, 1, 1] = 0
        first.requires_grad_()
        loss(first, second, masks()).backward()
        assert not first.grad[3, :, 1, 1].any()
        assert first.grad[3].abs().sum() > 0


def test_pix_contrast_keeps_no_similarities(monkeypatch):
    """Blocks of images, formed again in the backward pass: what is kept beside mask and input grows with n p."""
    n, side = 24, 12
    first, second = (maps(n, 4, seed, torch.float32, side, side).requires_grad_() for seed in (0, 1))
    mask = torch.eye(side * side, dtype=torch.bool).repeat(n, 1, 1)
    expected = pix_contrast(first, second, mask)
    gradients = torch.autograd.grad(expected, [first, second])
    monkeypatch.setattr(dense_module, "BLOCK", 5 * side**4)
    kept = []

    def pack(tensor):
        if tensor.dtype != torch.bool:
            kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = pix_contrast(first, second, mask)
    assert max(kept) <= first.numel()
    torch.testing.assert_close(value, expected)
    for mine, theirs in zip(torch.autograd.grad(value, [first, second]), gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_modules_show_their_settings_and_hold_no_state():
    assert repr(PixProLoss()) == "PixProLoss(reduction='mean', factor=2.0, stop_gradient=True)"
    assert repr(PixContrastLoss(temperature=0.2)) == "PixContrastLoss(temperature=0.2, reduction='mean')"
    assert PixProLoss().state_dict() == PixContrastLoss().state_dict() == {}


def test_the_method_in_four_lines():
    """Propagation on the online branch, both directions, gradient in the head and the online maps only."""
    head, loss = PixelPropagation(5).double(), PixProLoss()
    q1, q2 = maps(8).requires_grad_(), maps(8, seed=1).requires_grad_()
    mask = positive_pixel_mask(boxes(8), boxes(8, seed=1), H, W)
    value = loss(head(q1), maps(8, seed=2), mask) + loss(head(q2), maps(8, seed=3), mask.mT)
    value.backward()
    assert all(p.grad.abs().sum() > 0 for p in (*head.parameters(), q1, q2))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("loss", [pix_pro, pix_contrast])
def test_mistakes_are_named(loss):
    first, second, mask = maps(), maps(seed=1), masks()
    with pytest.raises(
        ValueError, match=r"must have the same shape \(n, c, h, w\), .*got \(4, 5, 2, 3\) and \(3, 5, 2, 3\)"
    ):
        loss(first, second[:3], mask)
    with pytest.raises(ValueError, match="must have the same shape"):
        loss(first, second[:, :4], mask)
    with pytest.raises(ValueError, match="must have 4 axes"):
        loss(first[0], second[0], mask)
    with pytest.raises(ValueError, match="at least one image, channel and pixel"):
        loss(first[:0], second[:0], mask[:0])
    with pytest.raises(TypeError, match=r"must be a floating tensor, got torch\.int64"):
        loss(first.long(), second, mask)
    with pytest.raises(TypeError, match=r"mask must be bool, got torch\.float32; positive_pixel_mask makes it"):
        loss(first, second, mask.float())
    with pytest.raises(ValueError, match=r"mask must have shape \(4, 6, 6\), .* got \(4, 6, 5\)"):
        loss(first, second, mask[:, :, :5])
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss(first, second, mask, reduction="median")


def test_settings_are_checked():
    for factor in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="factor must be finite and > 0"):
            PixProLoss(factor=factor)
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        PixContrastLoss(temperature=0.0)
