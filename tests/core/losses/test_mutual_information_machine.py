"""A-MIM, cMIM and MIM: hand values, how they contain each other, the score function, what is refused."""

import math

import pytest
import torch
from torch.distributions import Normal

from core.heads import GaussianHead, gaussian_log_prob
from core.losses import AMIMLoss, CMIMLoss, MIMLoss, PriorHalf, amim, cmim, latent_contrast, mim


def numbers(n=5, seed=0):
    return torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parts(n=5, seed=0):
    """Log-likelihoods, posterior and prior densities."""
    return [10 * numbers(n, seed) - 20, numbers(n, seed + 1), numbers(n, seed + 2) - 3]


def codes(n=5, d=4, seed=9):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_hand_value_of_the_latent_part():
    z = torch.tensor([[0.5]])
    log_q = gaussian_log_prob(z, torch.zeros(1, 1), torch.zeros(1, 1))
    assert float(AMIMLoss()(torch.zeros(1), log_q, gaussian_log_prob(z))) == pytest.approx(1.043939, abs=1e-6)


def test_the_two_variants_are_their_formulas():
    px, qz, pz = parts()
    torch.testing.assert_close(AMIMLoss(reduction="none")(px, qz, pz), -(px + (qz + pz) / 2))
    importance = AMIMLoss(variant="importance", reduction="none")(px, qz, pz)
    torch.testing.assert_close(importance, -(px + pz))
    # Put log q(x) = log p(x|z) + log p(z) - log q(z|x) into -1/2 [log p(x|z) + log p(z) + log q(z|x) + log q(x)].
    torch.testing.assert_close(importance, -(px + pz + qz + (px + pz - qz)) / 2)


def test_contrast_is_added_with_its_weight_and_weight_zero_is_a_mim():
    (px, qz, pz), z = parts(), codes()
    for variant in ("implicit", "importance"):
        plain = amim(px, qz, pz, variant=variant, reduction="none")
        none = CMIMLoss(contrast_weight=0.0, variant=variant, reduction="none")(px, qz, pz, z)
        assert torch.equal(none, plain)
        for negatives in ("expectation", "sum"):
            contrast = latent_contrast(z, temperature=0.3, reduction="none", negatives=negatives)
            loss = CMIMLoss(
                contrast_weight=2.5, temperature=0.3, variant=variant, negatives=negatives, reduction="none"
            )
            torch.testing.assert_close(loss(px, qz, pz, z), plain + 2.5 * contrast)
    one = [x[:1] for x in (px, qz, pz)]
    assert CMIMLoss(contrast_weight=0.0)(*one, z[:1]) == amim(*one)


def test_the_defaults_are_the_released_ones():
    (px, qz, pz), z = parts(), codes()
    expected = amim(px, qz, pz) + latent_contrast(z, temperature=0.1)
    torch.testing.assert_close(CMIMLoss()(px, qz, pz, z), expected)


def test_reconstruction_by_token_has_the_mean_over_all_tokens():
    """Cross-entropies of tokens in sequences of unequal length, as one mean over tokens."""
    lengths = [3, 1, 6, 2, 2]
    tokens = [numbers(n, seed=n) - 2 for n in lengths]
    px, qz, pz = torch.stack([t.sum() for t in tokens]), *parts()[1:]
    loss = AMIMLoss(reconstruction="token_mean")
    expected = -torch.cat(tokens).mean() - (qz + pz).mean() / 2
    torch.testing.assert_close(loss(px, qz, pz, torch.tensor(lengths)), expected)
    z = codes()
    found = CMIMLoss(reconstruction="token_mean")(px, qz, pz, z, torch.tensor(lengths))
    torch.testing.assert_close(found, expected + latent_contrast(z))


def test_shares_average_to_the_whole():
    (px, qz, pz), z, tokens = parts(6), codes(6).requires_grad_(), torch.tensor([3, 1, 4, 1, 5, 9])
    for loss in (CMIMLoss(), CMIMLoss(reconstruction="token_mean")):
        given = (px, qz, pz, z) if loss.reconstruction == "sum" else (px, qz, pz, z, tokens)
        whole = loss(*given)
        shares = torch.stack([loss(*given, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
        torch.testing.assert_close(shares, whole)
        torch.testing.assert_close(torch.autograd.grad(shares, z)[0], torch.autograd.grad(whole, z)[0])
    shares = torch.stack([amim(px, qz, pz, rows=slice(i, i + 2)) for i in (0, 2, 4)]).mean()
    torch.testing.assert_close(shares, amim(px, qz, pz))


def test_reductions_precision_and_settings():
    (px, qz, pz), z = parts(), codes()
    terms = CMIMLoss(reduction="none")(px, qz, pz, z)
    torch.testing.assert_close(CMIMLoss(reduction="sum")(px, qz, pz, z), terms.sum())
    torch.testing.assert_close(CMIMLoss()(px, qz, pz, z), terms.mean())
    half = [x.bfloat16() for x in (px, qz, pz, z)]
    with torch.autocast("cpu", torch.bfloat16):
        value = cmim(*half)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), cmim(*(x.double() for x in half)), rtol=1e-5, atol=1e-5)
    assert "temperature=0.1, reduction='mean', contrast_weight=1.0, variant='implicit'" in repr(CMIMLoss())
    assert "reconstruction='sum', negatives='expectation'" in repr(CMIMLoss())
    assert "variant='importance', reconstruction='sum'" in repr(AMIMLoss(variant="importance"))
    assert "symmetric=True, discrete=True, reduction='mean'" in repr(MIMLoss(discrete=True))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_mim_is_its_formula(beta):
    px, qz, pz = parts()
    qx = numbers(seed=7) - 25
    found = mim(px, qz, pz, log_qx=qx, beta=beta, reduction="none")
    torch.testing.assert_close(found, -(px + pz + beta * (qz + qx)) / 2)
    estimated = mim(px, qz, pz, beta=beta, reduction="none")
    torch.testing.assert_close(estimated, mim(px, qz, pz, log_qx=px + pz - qz, beta=beta, reduction="none"))
    if beta == 1:
        torch.testing.assert_close(estimated, amim(px, qz, pz, variant="importance", reduction="none"))


def test_the_halves_weigh_the_same():
    data, prior = parts(5), PriorHalf(*parts(3, seed=20), log_qx=numbers(3, seed=30))
    qx = numbers(seed=31)
    first = mim(*data, log_qx=qx, reduction="none")
    second = mim(*prior[:3], log_qx=prior.log_qx, reduction="none")
    torch.testing.assert_close(MIMLoss()(*data, log_qx=qx, prior=prior), (first.mean() + second.mean()) / 2)
    total = MIMLoss(reduction="sum")(*data, log_qx=qx, prior=prior)
    torch.testing.assert_close(total, first.sum() + second.sum())
    terms = MIMLoss(reduction="none")(*data, log_qx=qx, prior=prior)
    torch.testing.assert_close(terms, torch.cat([first, second]))
    torch.testing.assert_close(MIMLoss(symmetric=False)(*data, log_qx=qx), first.mean())
    torch.testing.assert_close(MIMLoss()(*data, log_qx=qx, beta=0.5), mim(*data, log_qx=qx, beta=0.5))


def test_the_score_function_has_the_plain_value_and_the_gradient_of_drawing():
    """x is drawn from a Bernoulli decoder: the mean over x of the gradients is the derivative of the mean."""
    logit = torch.tensor(0.4, dtype=torch.float64, requires_grad=True)
    outcomes = torch.tensor([0.0, 1.0], dtype=torch.float64)
    qz, pz, qx = torch.tensor([-0.3, -1.2]), torch.tensor([-2.0, -2.0]), torch.tensor([-0.9, -0.2])
    given = {"log_qx": qx.double(), "reduction": "none"}

    def likelihood():
        return torch.distributions.Bernoulli(logits=logit).log_prob(outcomes)

    plain = mim(likelihood(), qz.double(), pz.double(), **given)
    scored = mim(likelihood(), qz.double(), pz.double(), score_function=True, **given)
    assert torch.equal(scored, plain)
    chance = likelihood().exp()
    expected = torch.autograd.grad((chance * plain).sum(), logit, retain_graph=True)[0]
    found = torch.autograd.grad((chance.detach() * scored).sum(), logit)[0]
    torch.testing.assert_close(found, expected)
    assert not torch.isclose(torch.autograd.grad((chance.detach() * plain).sum(), logit)[0], expected)
    half = [likelihood(), qz.double(), pz.double()]
    values = [MIMLoss(discrete=d)(*half, prior=PriorHalf(*half)) for d in (False, True)]
    torch.testing.assert_close(*values)
    grads = [torch.autograd.grad(v, logit, retain_graph=True)[0] for v in values]
    assert not torch.isclose(*grads)


def test_the_prior_half_reaches_both_networks():
    """A continuous x, decoded from prior samples with its gradient, then encoded."""
    head, decoder = GaussianHead(6, 2).double(), torch.nn.Linear(2, 6).double()
    z = torch.randn(8, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = decoder(z)
    x = mean + 0.1 * torch.randn(8, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    half = PriorHalf(
        Normal(mean, 0.1).log_prob(x).sum(1), gaussian_log_prob(z, *head.moments(x)), gaussian_log_prob(z), numbers(8)
    )
    data = [part.detach() for part in half[:3]]
    value = MIMLoss()(*data, log_qx=half.log_qx, prior=half)
    value.backward()
    assert value.isfinite()
    for module in (head, decoder):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())
        assert sum(float(p.grad.abs().sum()) for p in module.parameters()) > 0


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    (px, qz, pz), z = parts(), codes()
    with pytest.raises(TypeError, match="log_qz must be a floating tensor"):
        amim(px, qz.long(), pz)
    with pytest.raises(ValueError, match=r"log_px_given_z must have shape \(n,\), one number a sample, got \(5, 1\)"):
        amim(px[:, None], qz, pz)
    with pytest.raises(ValueError, match="log_pz must have 5 numbers, as log_px_given_z has, got 3"):
        cmim(px, qz, pz[:3], z)
    with pytest.raises(ValueError, match=r"log_px_given_z must have shape \(n,\)"):
        mim(px[:0], qz[:0], pz[:0])
    with pytest.raises(ValueError, match=r"z must have 5 rows, one code a sample, got shape \(4, 4\)"):
        cmim(px, qz, pz, z[:4])
    with pytest.raises(ValueError, match="the batch must be at least 2, got 1"):
        cmim(px[:1], qz[:1], pz[:1], z[:1])
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        CMIMLoss(temperature=0.0)
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="contrast_weight must be finite and >= 0"):
            CMIMLoss(contrast_weight=wrong)
    with pytest.raises(ValueError, match="variant must be one of 'implicit', 'importance', got 'marginal'"):
        AMIMLoss(variant="marginal")
    with pytest.raises(ValueError, match="reconstruction must be one of 'sum', 'token_mean', got 'mean'"):
        CMIMLoss(reconstruction="mean")
    with pytest.raises(ValueError, match="negatives must be one of"):
        CMIMLoss(negatives="all")


@pytest.mark.usefixtures("unchecked")
def test_tokens_halves_and_beta_that_do_not_fit_are_named():
    px, qz, pz = parts()
    tokens = torch.tensor([1, 2, 3, 4, 5])
    with pytest.raises(ValueError, match="tokens are only for reconstruction='token_mean'"):
        amim(px, qz, pz, tokens)
    with pytest.raises(ValueError, match="reconstruction='token_mean' needs tokens"):
        AMIMLoss(reconstruction="token_mean")(px, qz, pz)
    with pytest.raises(TypeError, match=r"tokens must be int64, got torch\.float32"):
        amim(px, qz, pz, tokens.float(), reconstruction="token_mean")
    for wrong in (tokens - 1, tokens[:3]):
        with pytest.raises(ValueError, match="tokens must be 5 numbers >= 1, one a sample"):
            amim(px, qz, pz, wrong, reconstruction="token_mean")
    for wrong in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"beta must be in \[0, 1\]"):
            mim(px, qz, pz, beta=wrong)
    half = PriorHalf(px, qz, pz)
    with pytest.raises(ValueError, match="the prior half is missing"):
        MIMLoss()(px, qz, pz)
    with pytest.raises(ValueError, match="symmetric=False takes no prior half"):
        MIMLoss(symmetric=False)(px, qz, pz, prior=half)
    with pytest.raises(ValueError, match="discrete=True concerns the samples of the prior half"):
        MIMLoss(symmetric=False, discrete=True)
    with pytest.raises(ValueError, match="reduction must be one of"):
        MIMLoss(reduction="median")
