"""What all adversaries have in common: they touch no parameter, respect padding, radii, generators and number types."""

import math

import pytest
import torch
from torch import nn

from core.adversarial import FGM, FGSM, PGD, VAT, FreeLB
from tests.core.adversarial.toys import KINDS, LABELLED, Pooled, clean, make, reference, rng, sequences

SILENT = [k for k in KINDS if k != "free_lb"]  # FreeLB.loss is the documented exception


def objective_of(kind, model, x, labels):
    """A closure per sample, with a slope at x itself, so that every adversary has something to climb."""
    return lambda z: nn.functional.cross_entropy(model(z), labels, reduction="none")


@pytest.mark.parametrize("kind", KINDS)
def test_perturb_touches_no_parameter(kind):
    x, labels, _ = sequences()
    model = Pooled()
    model.head.bias.requires_grad_(False)
    wanted = [p.requires_grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = torch.full_like(p, 7.0)
    x.requires_grad_()
    make(kind).perturb(objective_of(kind, model, x, labels), x)
    assert [p.requires_grad for p in model.parameters()] == wanted
    assert all((p.grad == 7).all() for p in model.parameters())
    assert x.grad is None


@pytest.mark.parametrize("kind", SILENT)
def test_the_loss_touches_no_parameter_before_backward_and_reaches_all_after(kind):
    x, labels, _ = sequences()
    model = Pooled()
    value = make(kind).loss(model, x, reference(kind, model, x, labels))
    assert value.shape == ()
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    value.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert model.net[0].weight.grad.any()


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_the_objective_where_perturb_leads(kind):
    """Re-derived with torch's own functions at the perturbed point; FreeLB trains on the whole way instead."""
    x, labels, _ = sequences()
    model = Pooled()
    ref = reference(kind, model, x, labels).detach()
    found = make(kind, **({"steps": 1} if kind == "free_lb" else {})).loss(model, x, ref)

    def terms(z):
        if kind in LABELLED:
            return nn.functional.cross_entropy(model(z), labels, reduction="none")
        log_p, log_q = ref.log_softmax(1), model(z).log_softmax(1)
        forward = nn.functional.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)
        backward = nn.functional.kl_div(log_p, log_q, reduction="none", log_target=True).sum(1)
        if kind in ("vat_urlbert", "sift"):  # weights held constant: no gradient through the second direction
            backward = backward.detach()
        return forward if kind == "vat" else forward + backward

    moved = make(kind, **({"steps": 1} if kind == "free_lb" else {})).perturb(terms, x)
    torch.testing.assert_close(found.detach(), terms(moved).mean().detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_neither_moved_nor_counted(kind):
    x, labels, mask = sequences()
    model = Pooled(mask=mask)
    blind = Pooled()  # looks at padding too: without the mask its pads would move
    delta = make(kind).perturb(objective_of(kind, blind, x, labels), x, mask=mask) - clean(kind, x)
    assert not delta[~mask].any()
    assert delta[mask].any(dim=-1).all()
    ref = reference(kind, model, x, labels).detach()
    value = make(kind).loss(model, x, ref, mask=mask).detach()
    other = torch.where(mask[..., None], x, 100.0)
    torch.testing.assert_close(make(kind).loss(model, other, ref, mask=mask).detach(), value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generator_gives_the_same_numbers_and_torchs_own_is_left_alone(kind):
    x, labels, _ = sequences()
    closure = objective_of(kind, Pooled(), x, labels)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, again, other = (make(kind, seed=s).perturb(closure, x) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, other) == (kind in ("fgm", "fgsm"))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "sift"])
def test_each_sample_has_its_own_radius(kind):
    x, labels, _ = sequences()
    radii = torch.tensor([0.0, 0.01, 0.2, 0.5])
    delta = make(kind).perturb(objective_of(kind, Pooled(), x, labels), x, epsilon=radii) - x
    if kind in ("fgsm", "pgd_linf", "smart"):
        sizes = delta.abs().amax(dim=(1, 2))
    elif kind == "vat_urlbert":
        lengths = delta.norm(dim=2)
        torch.testing.assert_close(lengths, radii[:, None].expand(4, 6), rtol=1e-4, atol=1e-6)
        sizes = lengths[:, 0]
    else:
        sizes = delta.flatten(1).norm(dim=1)
    assert (sizes <= radii + 1e-6).all()
    assert sizes[0] == 0
    if kind in ("fgm", "fgsm", "vat", "vat_urlbert"):
        torch.testing.assert_close(sizes, radii, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_finite_in_every_number_type(kind, dtype):
    x, labels, mask = sequences()
    x[0] = 0
    x = x.to(dtype)
    model = Pooled(mask=mask).to(dtype)
    adversary = make(kind)
    moved = adversary.perturb(lambda z: model(z).float().square().sum(1), x, mask=mask)
    assert moved.dtype == dtype
    value = adversary.loss(model, x, reference(kind, model, x, labels), mask=mask)
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert value.isfinite()
    if kind != "free_lb":
        value.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_finite_under_autocast(kind):
    x, labels, mask = sequences()
    model = Pooled(mask=mask)
    with torch.autocast("cpu", torch.bfloat16):
        value = make(kind).loss(model, x, reference(kind, model, x, labels), mask=mask)
    assert value.dtype == torch.float32
    if kind != "free_lb":
        value.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slope", [0.0, 1e-30, 1e30, math.nan, math.inf])
def test_zero_tiny_huge_and_broken_gradients(kind, slope):
    """1e-30 and 1e30 are lost or infinite when squared in float32."""
    x, _, _ = sequences()
    direction = torch.randn(x.shape, generator=rng(9))
    delta = make(kind).perturb(lambda z: (z * direction).sum(dim=(1, 2)) * slope, x) - clean(kind, x)
    assert delta.isfinite().all()
    if kind in ("fgm", "fgsm"):
        assert delta.any() == (slope in (1e-30, 1e30))
    if kind == "fgm" and slope in (1e-30, 1e30):
        torch.testing.assert_close(delta.flatten(1).norm(dim=1), torch.full((4,), 0.5))
    if kind == "vat":  # a random direction of full length where there is none to climb
        torch.testing.assert_close(delta.flatten(1).norm(dim=1), torch.full((4,), 0.5))


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in LABELLED])
def test_a_divergence_is_never_negative_and_zero_for_a_classifier_that_does_not_look(kind):
    x, labels, _ = sequences()
    for seed in range(5):
        model = Pooled()
        assert make(kind, seed=seed).loss(model, x, reference(kind, model, x, labels)) >= 0
    bias = nn.Parameter(torch.tensor([0.3, -1.0, 2.0]))

    def ignorant(z):
        return bias.expand(len(z), 3)

    value = make(kind).loss(ignorant, x, ignorant(x))
    assert value == 0
    value.backward()
    assert not bias.grad.any()


@pytest.mark.parametrize("kind", ["fgm", "fgsm", "pgd_l2", "pgd_linf"])
def test_a_small_step_raises_the_loss(kind):
    """To first order: the loss at r is at least that at 0, sample by sample."""
    x, labels, _ = sequences(n=32)
    model = Pooled()
    closure = objective_of(kind, model, x, labels)
    moved = make(kind, epsilon=1e-2, **({"random_start": False} if kind.startswith("pgd") else {})).perturb(closure, x)
    assert (closure(moved) > closure(x)).all()


@pytest.mark.parametrize("kind", ["fgm", "pgd_linf", "vat", "smart"])
def test_the_gradient_reaches_x_as_if_nothing_had_been_added(kind):
    x, labels, _ = sequences()
    x.requires_grad_()
    moved = make(kind).perturb(objective_of(kind, Pooled(), x, labels), x)
    (grad,) = torch.autograd.grad((moved * 3).sum(), x)
    assert (grad == 3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_rest_of_the_batch_does_not_matter(kind):
    x, labels, _ = sequences()
    model = Pooled()
    others = torch.cat([x[:1], 3 * x[1:] + 1])
    first, second = (make(kind).perturb(objective_of(kind, model, z, labels), z)[0] for z in (x, others))
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("kind", ["fgm", "fgsm", "pgd_l2", "pgd_linf", "free_lb"])
def test_nor_does_its_size(kind):
    x, labels, _ = sequences()
    model = Pooled()
    fixed = {"pgd": {"random_start": False}, "fre": {"init": 0.0}}.get(kind[:3], {})
    whole = make(kind, **fixed).perturb(objective_of(kind, model, x, labels), x)
    one = make(kind, **fixed).perturb(objective_of(kind, model, x[:1], labels[:1]), x[:1])
    torch.testing.assert_close(whole[:1], one)


def test_it_works_where_gradients_are_off():
    x, labels, _ = sequences()
    model = Pooled()
    with torch.no_grad():
        moved = FGM(epsilon=0.5).perturb(objective_of("fgm", model, x, labels), x)
        value = FGM(epsilon=0.5).loss(model, x, labels)
    assert not torch.equal(moved, x)
    assert not value.requires_grad


def test_sum_and_mean():
    x, labels, _ = sequences()
    model = Pooled()
    mean, total = (FGM(reduction=r).loss(model, x, labels) for r in ("mean", "sum"))
    torch.testing.assert_close(total, 4 * mean)


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    x, labels, mask = sequences()
    model, fgm = Pooled(), FGM()
    with pytest.raises(TypeError, match="x must be a floating tensor"):
        fgm.perturb(torch.sum, x.long())
    with pytest.raises(ValueError, match="x must have"):
        fgm.perturb(torch.sum, x[0, 0])
    with pytest.raises(ValueError, match="x must hold at least one sample"):
        fgm.perturb(torch.sum, x[:0])
    with pytest.raises(ValueError, match="mask must be bool and have the shape of the first axes of x"):
        fgm.perturb(torch.sum, x, mask=mask[:, :4])
    with pytest.raises(ValueError, match="mask must be bool"):
        fgm.perturb(torch.sum, x, mask=mask.float())
    with pytest.raises(ValueError, match=r"epsilon must be a number or have shape \(4,\), got \(3,\)"):
        fgm.perturb(torch.sum, x, epsilon=torch.ones(3))
    with pytest.raises(ValueError, match="epsilon must be finite and >= 0"):
        fgm.perturb(torch.sum, x, epsilon=-1.0)
    with pytest.raises(ValueError, match="carries no gradient"):
        fgm.loss(lambda z: model(z).detach(), x, labels)
    with pytest.raises(ValueError, match="carries no gradient"):
        FreeLB().loss(lambda z: model(z).detach(), x, labels)
    with pytest.raises(ValueError, match=r"epsilon must be finite and >= 0, got -0\.1"):
        FGSM(epsilon=-0.1)
    with pytest.raises(ValueError, match="objective must be one of"):
        FGM(objective="hinge")
    with pytest.raises(ValueError, match="reduction must be one of"):
        FGM(reduction="none")
    with pytest.raises(ValueError, match="scope must be one of"):
        PGD(scope="batch")
    with pytest.raises(ValueError, match="steps must be at least 1"):
        VAT(steps=0, generator=rng())
