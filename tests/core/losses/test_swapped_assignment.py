"""SwAV's loss: its equation, the gradient that codes do not carry, heads, the queue, warnings and errors."""

import math
import warnings

import pytest
import torch

from core.heads import Prototypes
from core.losses import SwAVLoss, sinkhorn_knopp, swapped_assignment
from core.samplers import FeatureQueue
from tests.core.losses.assignment_oracles import swapped

CROPS, IMAGES, PROTOTYPES = 4, 6, 5
QUEUE = 0.4 * torch.randn(2, 7, PROTOTYPES, generator=torch.Generator().manual_seed(9))


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def batch(crops=CROPS, dtype=torch.float64):
    """Scores of crops that resemble each other, in [-1, 1]."""
    return (0.5 * draw(1, IMAGES, PROTOTYPES) + 0.3 * draw(crops, IMAGES, PROTOTYPES, seed=1)).tanh().to(dtype)


# name: (the settings, crops)
CASES = {
    "two crops": ({}, 2),
    "multi-crop": ({}, CROPS),
    "one code": ({"assign_crops": (0,)}, CROPS),
    "other codes": ({"assign_crops": (2, 0, 3), "epsilon": 0.2, "iterations": 1}, CROPS),
    "queue": ({"queue_scores": QUEUE}, 3),
}


def expected_terms(scores, t, *, assign_crops=(0, 1), queue_scores=None, epsilon=0.05, iterations=3):
    return swapped(list(scores), t, epsilon, iterations, assign_crops, queue_scores)


def gradients(loss, scores):
    leaf = scores.detach().clone().requires_grad_()
    terms = loss(leaf)
    terms.sum().backward()
    return terms.detach(), leaf.grad


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_are_those_of_the_equation(name, t, precision):
    options, crops = CASES[name]
    scores = batch(crops, getattr(torch, precision))
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        terms, grad = gradients(lambda x: swapped_assignment(x, temperature=t, reduction="none", **options), scores)
    expected, expected_grad = gradients(lambda x: expected_terms(x, t, **options), scores.double())
    assert terms.dtype == (torch.float64 if precision == "float64" else torch.float32)
    fine = 1e-10 if precision == "float64" else 2e-5
    torch.testing.assert_close(terms.double(), expected, rtol=fine, atol=fine)
    coarse = 1e-2 if precision == "bfloat16" else fine / min(1, 10 * t)
    scale = float(expected_grad.abs().max())
    torch.testing.assert_close(grad.double(), expected_grad, rtol=coarse, atol=coarse * scale)


def test_gradient_is_softmax_minus_code():
    """d loss / d o_w = sum over codes v != w of (softmax(o_w / t) - q_v) / (t B (V - 1) |A|): nothing through codes."""
    scores, t = batch().requires_grad_(), 0.2
    swapped_assignment(scores, temperature=t).backward()
    codes = [sinkhorn_knopp(scores[v]) for v in (0, 1)]
    for w in range(CROPS):
        prediction = torch.softmax(scores[w] / t, dim=1)
        others = [code for v, code in enumerate(codes) if v != w]
        expected = sum(prediction - code for code in others) / (t * IMAGES * (CROPS - 1) * 2)
        torch.testing.assert_close(scores.grad[w], expected.detach())


def test_a_crop_gets_no_gradient_from_its_own_code():
    scores = batch(2).requires_grad_()
    swapped_assignment(scores, assign_crops=(0,)).backward()
    assert not scores.grad[0].any()
    assert scores.grad[1].any()


def test_equal_scores_cost_log_k():
    for crops in (2, 5):
        value = swapped_assignment(torch.full((crops, IMAGES, PROTOTYPES), 0.3, dtype=torch.float64))
        assert float(value) == pytest.approx(math.log(PROTOTYPES), abs=1e-15)


def test_hard_codes_of_the_right_prototype_cost_nothing():
    scores = torch.eye(4).repeat(2, 1, 1)
    assert float(swapped_assignment(scores, temperature=0.01)) < 1e-6
    assert float(swapped_assignment(torch.stack([scores[0], scores[1].roll(1, 0)]), temperature=0.01)) > 50


def test_two_crops_are_symmetric_and_further_crops_only_predict():
    scores = batch(2)
    torch.testing.assert_close(swapped_assignment(scores.flip(0)), swapped_assignment(scores))
    more = batch()
    order = torch.tensor([1, 0, 3, 2])
    torch.testing.assert_close(swapped_assignment(more[order]), swapped_assignment(more))
    both, small = swapped_assignment(more[:2]), more.clone()
    small[2:] = more[2:].roll(1, 0)
    # three pairs for each code: one between the big crops, two to the small ones
    rest = 1.5 * (swapped_assignment(more) - both / 3)
    expected = torch.stack(
        [-(sinkhorn_knopp(more[v]) * torch.log_softmax(more[w] / 0.1, 1)).sum(1).mean() for v in (0, 1) for w in (2, 3)]
    ).mean()
    torch.testing.assert_close(rest, expected)
    torch.testing.assert_close(swapped_assignment(small), swapped_assignment(more))


def test_order_of_images_and_prototypes_does_not_matter():
    scores = batch()
    images, prototypes = draw(IMAGES).argsort(), draw(PROTOTYPES, seed=3).argsort()
    terms = swapped_assignment(scores, reduction="none")
    changed = swapped_assignment(scores[:, images][:, :, prototypes], reduction="none")
    torch.testing.assert_close(changed, terms[images])


def test_a_list_of_crops_is_the_stack_and_a_list_of_heads_is_their_mean():
    scores = batch()
    other = 0.5 * draw(CROPS, IMAGES, 3, seed=4).double()
    torch.testing.assert_close(swapped_assignment(list(scores)), swapped_assignment(scores))
    queues = [QUEUE, 0.3 * draw(2, 7, 3, seed=5)]
    for reduction in ("mean", "none"):
        parts = [swapped_assignment(x, reduction=reduction) for x in (scores, other)]
        torch.testing.assert_close(swapped_assignment([scores, other], reduction=reduction), sum(parts) / 2)
        parts = [
            swapped_assignment(x, reduction=reduction, queue_scores=q)
            for x, q in zip((scores, other), queues, strict=True)
        ]
        both = swapped_assignment([scores, other], reduction=reduction, queue_scores=queues)
        torch.testing.assert_close(both, sum(parts) / 2)
    torch.testing.assert_close(
        swapped_assignment(scores, queue_scores=list(QUEUE)), swapped_assignment(scores, queue_scores=QUEUE)
    )


def test_codes_with_a_queue_are_the_last_rows_of_sinkhorn_on_all():
    scores, queue = batch(2).requires_grad_(), QUEUE.double().requires_grad_()
    value = swapped_assignment(scores, queue_scores=queue)
    value.backward()
    value, scores = value.detach(), scores.detach()
    assert queue.grad is None
    terms = []
    for v in (0, 1):
        code = sinkhorn_knopp(torch.cat([queue[v], scores[v]]))[-IMAGES:]
        terms.append(-(code * torch.log_softmax(scores[1 - v] / 0.1, 1)).sum(1).mean())
    torch.testing.assert_close(value, sum(terms) / 2)
    without = swapped_assignment(scores)
    assert abs(float(value) - float(without)) > 1e-3
    torch.testing.assert_close(swapped_assignment(scores, queue_scores=QUEUE[:, :0]), without)


def test_queue_scores_follow_the_prototypes():
    """Features are kept, not scores: after a step of the prototypes the same queue gives other codes."""
    prototypes, queue = Prototypes(4, PROTOTYPES, generator=torch.Generator().manual_seed(0)), FeatureQueue(8, 4)
    queue.update(draw(2, 8, 4))
    scores = batch(2)
    before = swapped_assignment(scores, queue_scores=prototypes(queue.features()))
    with torch.no_grad():
        prototypes.weights[0].add_(draw(PROTOTYPES, 4, seed=2))
    after = swapped_assignment(scores, queue_scores=prototypes(queue.features()))
    assert abs(float(before) - float(after)) > 1e-3


def test_reductions_shares_and_module():
    scores = batch()
    terms = SwAVLoss(reduction="none")(scores)
    assert terms.shape == (IMAGES,)
    torch.testing.assert_close(SwAVLoss(reduction="sum")(scores), terms.sum())
    torch.testing.assert_close(SwAVLoss()(scores), terms.mean())
    shares = [SwAVLoss()(scores, rows=slice(first, first + 2)) for first in (0, 2, 4)]
    torch.testing.assert_close(torch.stack(shares).mean(), terms.mean())
    settings = {"temperature": 0.2, "epsilon": 0.1, "iterations": 2, "assign_crops": (3, 1)}
    module = SwAVLoss(**settings)
    torch.testing.assert_close(
        module(scores, queue_scores=QUEUE), swapped_assignment(scores, queue_scores=QUEUE, **settings)
    )
    assert module.state_dict() == {}
    assert repr(module) == (
        "SwAVLoss(temperature=0.2, reduction='mean', epsilon=0.1, iterations=2, assign_crops=(3, 1), "
        "across_processes=False)"
    )
    torch.testing.assert_close(SwAVLoss(across_processes=True)(scores), SwAVLoss()(scores))


def test_temperature_gets_its_gradient():
    found, expected = (torch.tensor(0.2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    swapped_assignment(batch(), temperature=found).backward()
    swapped(list(batch()), expected).mean().backward()
    torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("scale", [0.0, 1e-9, 1.0, 1e15])
def test_finite_at_the_limits(scale, t):
    terms, grad = gradients(
        lambda x: swapped_assignment(x, temperature=t, reduction="none"), scale * batch(dtype=torch.float32)
    )
    assert terms.isfinite().all()
    assert grad.isfinite().all()


def test_one_image_is_enough():
    scores = batch()[:, :1]
    expected = -torch.log_softmax(scores / 0.1, dim=2).mean()  # a single sample's code is uniform
    cross = swapped_assignment(scores, assign_crops=(0, 1, 2, 3))
    torch.testing.assert_close(cross, expected)


def test_few_samples_are_reported_once_and_only_if_the_reader_can_act():
    few = 0.5 * draw(2, 4, 9)
    loss = SwAVLoss()
    with pytest.warns(UserWarning, match="4 samples are balanced over 9 prototypes, less than one for each") as found:
        loss(few)
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(few)  # once
        SwAVLoss()(few, queue_scores=torch.zeros(2, 0, 9))  # a queue is filling
        SwAVLoss()(few, queue_scores=torch.zeros(2, 5, 9))  # enough
        SwAVLoss()(0.5 * draw(2, 9, 9))
        swapped_assignment(few)  # a pure function has no "once"
    with pytest.warns(UserWarning, match="8 samples are balanced over 9"):
        SwAVLoss()(few, queue_scores=torch.zeros(2, 4, 9))


@pytest.mark.usefixtures("unchecked")
def test_mistakes_are_named():
    scores = torch.zeros(3, 4, 5)
    cases = [
        ({"scores": scores[:1]}, ValueError, "the number of crops must be at least 2, got 1: a crop is predicted"),
        ({"scores": scores[:, :0]}, ValueError, "the batch must be at least 1, got 0"),
        ({"scores": scores[0]}, ValueError, "scores must have 3 axes"),
        ({"scores": scores.long()}, TypeError, r"scores must be a floating tensor, got torch\.int64"),
        ({"scores": [scores[0], scores[1, :, :4]]}, ValueError, r"every crop of scores must have the same .*\(4, 4\)"),
        ({"scores": [scores[0], scores[1].long()]}, TypeError, r"scores\[1\] must be a floating tensor"),
        ({"scores": [scores, scores[0]]}, ValueError, "scores must be crops .* all of one kind"),
        ({"scores": []}, ValueError, "scores must be crops .* got nothing"),
        ({"scores": [scores, scores[:2]]}, ValueError, "every head of scores must have the same crops and images"),
        ({"scores": [scores, scores[:, :3]]}, ValueError, "every head of scores must have the same crops and images"),
        ({"assign_crops": (0, 3)}, ValueError, r"assign_crops must be below the number of crops, 3, got \(0, 3\)"),
        ({"assign_crops": (0, 0)}, ValueError, "assign_crops must be different crops"),
        ({"assign_crops": (-1,)}, ValueError, "assign_crops must be different crops"),
        ({"assign_crops": ()}, ValueError, "assign_crops must be different crops"),
        ({"queue_scores": torch.zeros(2, 7, 4)}, ValueError, r"queue_scores must be \(2, m, 5\).*got \(2, 7, 4\)"),
        ({"queue_scores": torch.zeros(1, 7, 5)}, ValueError, r"queue_scores must be \(2, m, 5\)"),
        ({"queue_scores": [torch.zeros(2, 7, 5)] * 2}, ValueError, "as many heads as scores, 1, got 2"),
        ({"queue_scores": torch.zeros(0, 7, 5)}, ValueError, "queue_scores must be crops"),
        ({"queue_scores": torch.full((2, 7, 5), math.nan)}, ValueError, "scores must be finite, 7 of 11 rows"),
        ({"epsilon": 0.0}, ValueError, "epsilon must be finite and > 0"),
        ({"iterations": 0}, ValueError, "iterations must be at least 1"),
        ({"temperature": 0.0}, ValueError, "temperature must be finite and > 0"),
        ({"reduction": "median"}, ValueError, "reduction must be one of"),
        ({"rows": slice(2, 9)}, ValueError, "rows must be a slice"),
        ({"rows": slice(0, 2), "across_processes": True}, ValueError, "across_processes is for a process's own scores"),
    ]
    for options, kind, message in cases:
        with pytest.raises(kind, match=message):
            swapped_assignment(**{"scores": scores} | options)
    for place in (0, 2):
        scores = torch.zeros(3, 4, 5)
        scores[place, 1, 1] = math.nan
        with pytest.raises(ValueError, match="scores must be finite; scale the features to unit length"):
            swapped_assignment(scores)
    for options in ({"epsilon": -1.0}, {"iterations": 0}, {"temperature": -1.0}, {"assign_crops": (1, 1)}):
        with pytest.raises(ValueError, match=next(iter(options))):
            SwAVLoss(**options)
