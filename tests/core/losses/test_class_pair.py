"""The class-pair loss against loops, its hand values, limits, memory, and several processes."""

import math

import pytest
import torch

from core.distributed import GatheredLoss
from core.heads import FeatureGate, gate_entropy
from core.losses import ClassPairContrastiveLoss, class_pair_contrastive
from core.losses import class_pair as module
from tests.core.losses import oracles
from tests.core.processes import WIDTH, Outcome, assert_equal_to_one_process

VARIANTS = ("cosine", "quadratic")
Y1 = torch.tensor([0, 1, 2, 0, 1, 2, 3, 3, 0])
Y2 = torch.tensor([1, 1, 0, 3, 2, 2, 0, 1, 0])
ROWS, D = len(Y1), 5


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def gates(*shape, seed=3, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def oracle(z, y1, y2, gate, t, variant, keys=None, key_labels=None, include_self=False):
    """Sum over positives of each anchor, and how many there are; one pair at a time, in the gated space."""
    candidates, labels = (z, y1) if keys is None else (keys, key_labels)
    terms, pairs = [], 0
    for i in range(len(z)):
        logits = []
        for k in candidates:
            if variant == "cosine":
                a, b = gate[i] * z[i], gate[i] * k
                s = a.dot(b) / (a.dot(a).sqrt() * b.dot(b).sqrt())
            else:
                s = (gate[i] ** 2 * z[i] / z[i].dot(z[i]).sqrt()).dot(k / k.dot(k).sqrt())
            logits.append(s / t)
        negatives = [logits[j] for j in range(len(labels)) if labels[j] not in (y1[i], y2[i])]
        total = torch.zeros((), dtype=z.dtype)
        for j in range(len(labels)):
            if labels[j] != y2[i] or (keys is None and j == i and not include_self):
                continue
            pairs += 1
            if negatives:
                total = total + oracles.log_sum([logits[j], *negatives]) - logits[j]
        terms.append(total)
    return torch.stack(terms), pairs


def gradients(loss, *inputs):
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    terms = loss(*leaves)
    terms.sum().backward()
    return terms.detach(), [leaf.grad for leaf in leaves]


def test_hand_values():
    z, y = torch.tensor([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]]), torch.tensor([0, 1, 2])
    gate, y2 = torch.tensor([[1.0, 0.5]]).repeat(3, 1), torch.tensor([1, 0, 0])
    for variant, expected in (("cosine", 2.834072), ("quadratic", 4.018150)):
        terms = class_pair_contrastive(z, y, y2, gate, variant=variant, reduction="none")
        assert float(terms[0]) == pytest.approx(expected, abs=2e-6)
        mean = class_pair_contrastive(z, y, y2, gate, variant=variant)
        assert float(mean) == pytest.approx(float(terms.mean()), abs=1e-6)


@pytest.mark.parametrize("include_self", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_values_in_every_reduction(reduction, variant, include_self):
    z, gate = draw(ROWS, D), gates(ROWS, D)
    terms, pairs = oracle(z, Y1, Y2, gate, 0.1, variant, include_self=include_self)
    expected = {"mean": terms.sum() / pairs, "sum": terms.sum(), "none": terms}[reduction]
    loss = ClassPairContrastiveLoss(variant=variant, reduction=reduction, include_self=include_self)
    torch.testing.assert_close(loss(z, Y1, Y2, gate), expected)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("t", [1.0, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("variant", VARIANTS)
def test_value_and_gradient_are_those_of_the_equation(variant, t, precision):
    z, gate = draw(ROWS, D, dtype=torch.float32), gates(ROWS, D, dtype=torch.float32)

    def ours(a, g):
        return class_pair_contrastive(a, Y1, Y2, g, temperature=t, variant=variant, reduction="none")

    if precision == "bfloat16":
        z, gate = z.bfloat16(), gate.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            terms, grads = gradients(ours, z, gate)
    else:
        terms, grads = gradients(ours, z, gate)
    expected, expected_grads = gradients(lambda a, g: oracle(a, Y1, Y2, g, t, variant)[0], z.double(), gate.double())
    assert terms.dtype == torch.float32
    torch.testing.assert_close(terms.double(), expected, rtol=1e-5, atol=2e-6 / t)
    coarse = 1e-2 if precision == "bfloat16" else max(1e-5, 4e-6 / t)
    for found, right in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(found.double(), right, rtol=coarse, atol=coarse * float(right.abs().max()))


@pytest.mark.parametrize("variant", VARIANTS)
def test_first_order_gradients_hold_in_float64_with_keys_and_temperature(variant):
    z, gate, keys = draw(ROWS, D), gates(ROWS, D), draw(7, D, seed=4)
    key_labels = torch.tensor([0, 1, 2, 3, 0, 1, 9])
    t = torch.tensor(0.3, dtype=torch.float64)

    def loss(a, g, k, t):
        return class_pair_contrastive(a, Y1, Y2, g, k, key_labels, temperature=t, variant=variant, gate_penalty=0.2)

    leaves = [x.requires_grad_() for x in (z, gate, keys, t)]
    assert torch.autograd.gradcheck(loss, leaves)
    terms, pairs = oracle(z, Y1, Y2, gate, 0.3, variant, keys, key_labels)
    expected = terms.sum() / pairs + 0.2 * gate_entropy(gate).mean()
    torch.testing.assert_close(loss(*leaves), expected)


def test_a_gate_of_ones_makes_the_variants_the_plain_cosine():
    z, ones = draw(ROWS, D), torch.ones(ROWS, D).double()
    one, other = (class_pair_contrastive(z, Y1, Y2, ones, variant=v, reduction="none") for v in VARIANTS)
    torch.testing.assert_close(one, other)
    unit = oracles.unit(z)
    expected, _ = oracle(unit, Y1, Y2, ones, 0.1, "quadratic")
    torch.testing.assert_close(one, expected)


def test_identical_classes_and_an_open_gate_are_supcon_without_positives_in_the_denominator():
    z, y = draw(8, D), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    found = class_pair_contrastive(z, y, y, torch.ones(8, D).double(), temperature=0.2)
    unit, losses = oracles.unit(z), []
    for i in range(8):
        negatives = [unit[i] @ unit[n] / 0.2 for n in range(8) if y[n] != y[i]]
        losses += [
            oracles.log_sum([unit[i] @ unit[p] / 0.2, *negatives]) - unit[i] @ unit[p] / 0.2
            for p in range(8)
            if p != i and y[p] == y[i]
        ]
    torch.testing.assert_close(found, torch.stack(losses).mean())


def test_scale_of_the_gate_and_of_the_rows():
    z, gate = draw(ROWS, D), gates(ROWS, D)
    scale = gates(ROWS, 1, seed=8) * 1e3 + 0.1
    for variant in VARIANTS:
        found = class_pair_contrastive(scale * z, Y1, Y2, gate, variant=variant)
        torch.testing.assert_close(found, class_pair_contrastive(z, Y1, Y2, gate, variant=variant))
    cosine = class_pair_contrastive(z, Y1, Y2, scale * gate)
    torch.testing.assert_close(cosine, class_pair_contrastive(z, Y1, Y2, gate))
    quadratic = class_pair_contrastive(z, Y1, Y2, 3 * gate, variant="quadratic", temperature=0.9)
    torch.testing.assert_close(quadratic, class_pair_contrastive(z, Y1, Y2, gate, variant="quadratic", temperature=0.1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_closed_dimension_has_no_effect(variant):
    z, gate = draw(ROWS, D), gates(ROWS, D)
    gate[:, 2] = 0
    changed = torch.nn.functional.normalize(z, dim=1)
    value = class_pair_contrastive(changed, Y1, Y2, gate, variant=variant)
    changed = changed.clone()
    # of the same length in the quadratic variant, which normalises all dimensions together
    changed[:, 2] *= -1 if variant == "quadratic" else 7
    torch.testing.assert_close(class_pair_contrastive(changed, Y1, Y2, gate, variant=variant), value)


def test_rows_of_the_own_class_are_neither_and_a_constant_added_to_a_row_changes_nothing():
    keys, key_labels = draw(6, D, seed=4).requires_grad_(), torch.tensor([0, 0, 1, 1, 2, 2])
    z, y1, y2 = draw(1, D), torch.tensor([0]), torch.tensor([1])
    class_pair_contrastive(z, y1, y2, gates(1, D), keys, key_labels).backward()
    assert not keys.grad[:2].any()
    assert keys.grad[2:].any(dim=1).all()
    # the same loss from logits to which a constant was added
    gate = gates(1, D)
    logits = (oracles.unit(z) * gate**2) @ oracles.unit(keys.detach()).T / 0.1
    found = class_pair_contrastive(z, y1, y2, gate, keys, key_labels, variant="quadratic")
    for shift in (0.0, 40.0):
        negative, positive = logits[:, 4:] + shift, logits[:, 2:4] + shift
        by_hand = torch.nn.functional.softplus(negative.logsumexp(1, keepdim=True) - positive).mean()
        torch.testing.assert_close(found.detach(), by_hand)


def test_permutation_and_rotation():
    z, gate = draw(ROWS, D), gates(ROWS, D)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    value = class_pair_contrastive(z, Y1, Y2, gate)
    torch.testing.assert_close(class_pair_contrastive(z[order], Y1[order], Y2[order], gate[order]), value)
    relabelled = torch.tensor([7, -3, 100, 5])
    torch.testing.assert_close(class_pair_contrastive(z, relabelled[Y1], relabelled[Y2], gate), value)
    signs = torch.tensor([1, -1, -1, 1, -1]).double()  # gates are per axis: flips and swaps of axes are what is free
    torch.testing.assert_close(class_pair_contrastive((z * signs).flip(1), Y1, Y2, gate.flip(1)), value)


def test_blocks_of_anchors_change_nothing(monkeypatch):
    z, gate = draw(ROWS, D), gates(ROWS, D)

    def loss(a, g):
        return class_pair_contrastive(a, Y1, Y2, g, gate_penalty=0.1, reduction="none")

    whole = gradients(loss, z, gate)
    monkeypatch.setattr(module, "_BLOCK", 2 * ROWS)
    parts = gradients(loss, z, gate)
    torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize("variant", VARIANTS)
def test_memory_is_linear_in_rows(variant, monkeypatch):
    """Nothing of (n, n), let alone (n, n, d), is kept for the backward pass."""
    monkeypatch.setattr(module, "_BLOCK", 1 << 12)
    n = 256
    sizes = []

    def keep(tensor):
        sizes.append(tensor.numel())
        return tensor

    z = draw(n, 8).requires_grad_()
    y = torch.arange(n) % 8
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = class_pair_contrastive(z, y, y.roll(1), gates(n, 8), variant=variant)
    assert max(sizes) <= 8 * n
    value.backward()
    assert z.grad.any()


@pytest.mark.parametrize("t", [1.0, 0.001])
@pytest.mark.parametrize("kind", ["equal", "opposite", "zero", "huge", "tiny", "shut", "nearly shut"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_finite_at_the_limits(variant, kind, t):
    z, gate = torch.arange(1.0, D + 1).repeat(ROWS, 1), gates(ROWS, D, dtype=torch.float32)
    scale = {"zero": 0.0, "huge": 1e18, "tiny": 1e-11}.get(kind, 1.0)
    z = z * scale
    if kind == "opposite":
        z[::2] *= -1
    if kind.endswith("shut"):
        gate = gate * (0.0 if kind == "shut" else 1e-15)
    terms, grads = gradients(
        lambda a, g: class_pair_contrastive(a, Y1, Y2, g, temperature=t, variant=variant, reduction="none"), z, gate
    )
    assert terms.isfinite().all()
    assert all(grad.isfinite().all() for grad in grads)
    if kind in ("equal", "zero"):  # all similarities of a row alike: each positive against so many negatives
        negatives = ((Y1[:, None] != Y1) & (Y2[:, None] != Y1)).sum(1)
        positives = (Y2[:, None] == Y1).sum(1) - (Y1 == Y2).long()
        torch.testing.assert_close(terms, positives * torch.log1p(negatives.float()), atol=1e-3, rtol=1e-3)


def test_zero_rows_have_similarity_zero_and_no_gradient():
    z = draw(ROWS, D)
    z[4] = 0
    for variant in VARIANTS:
        _, (grad, _) = gradients(
            lambda a, g, v=variant: class_pair_contrastive(a, Y1, Y2, g, variant=v), z, gates(ROWS, D)
        )
        assert not grad[4].any()
        assert grad[torch.arange(ROWS) != 4].any(dim=1).all()


def test_anchors_without_negatives_count_as_zero():
    z, gate = draw(4, D).requires_grad_(), gates(4, D)
    value = class_pair_contrastive(z, torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0]), gate)
    value.backward()
    assert float(value.detach()) == 0.0
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_batches_without_a_positive_pair():
    z, gate, y = draw(3, D).requires_grad_(), gates(3, D), torch.arange(3)
    with pytest.raises(ValueError, match=r"the batch holds no positive pair: none of 3 keys.*pass empty='zero'"):
        class_pair_contrastive(z, y, y + 5, gate)
    with pytest.raises(ValueError, match="no positive pair"):
        class_pair_contrastive(z, y, y, gate)  # each alone in its class, and itself does not count
    value = ClassPairContrastiveLoss(empty="zero")(z, y, y + 5, gate)
    value.backward()
    assert float(value.detach()) == 0.0
    assert torch.equal(z.grad, torch.zeros_like(z))
    with_self = class_pair_contrastive(z.detach(), y, y, gate, include_self=True, temperature=1.0)
    assert float(with_self) > 0
    penalised = ClassPairContrastiveLoss(empty="zero", gate_penalty=0.5)(z, y, y + 5, gate)
    torch.testing.assert_close(penalised, 0.5 * gate_entropy(gate).mean())


def test_the_penalty_falls_on_undecided_gates():
    z = draw(ROWS, D)
    for reduction in ("mean", "sum", "none"):
        gate = gates(ROWS, D)
        plain, penalised = (
            class_pair_contrastive(z, Y1, Y2, gate, gate_penalty=p, reduction=reduction) for p in (0.0, 0.3)
        )
        entropy = 0.3 * gate_entropy(gate)
        expected = {"mean": entropy.mean(), "sum": entropy.sum(), "none": entropy}[reduction]
        torch.testing.assert_close(penalised - plain, expected)
    assert float(gate_entropy(torch.full((1, D), 0.5))) == pytest.approx(math.log(2))


def test_the_gate_and_both_sides_learn_and_a_detached_key_does_not():
    gate = FeatureGate(4, D, label_dim=6, hidden_dim=7).double()
    z, keys = draw(ROWS, D).requires_grad_(), draw(ROWS, D, seed=5)
    class_pair_contrastive(z, Y1, Y2, gate(Y1, Y2), keys, Y1).backward()
    assert z.grad.any(dim=1).all()
    assert keys.grad is None
    assert all(p.grad.any() for name, p in gate.named_parameters() if not name.endswith("0.bias"))


def test_settings_are_shown_and_the_module_is_the_function():
    loss = ClassPairContrastiveLoss(temperature=0.3, variant="quadratic", include_self=True, gate_penalty=0.1)
    assert repr(loss) == (
        "ClassPairContrastiveLoss(temperature=0.3, reduction='mean', variant='quadratic', include_self=True, "
        "gate_penalty=0.1, empty='error')"
    )
    z, gate = draw(ROWS, D), gates(ROWS, D)
    expected = class_pair_contrastive(
        z, Y1, Y2, gate, temperature=0.3, variant="quadratic", include_self=True, gate_penalty=0.1
    )
    assert torch.equal(loss(z, Y1, Y2, gate), expected)


@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_named():
    z, gate = draw(ROWS, D), gates(ROWS, D)
    for settings, message in (
        ({"temperature": 0.0}, "temperature must be finite and > 0"),
        ({"variant": "dot"}, "variant must be one of 'cosine', 'quadratic', got 'dot'"),
        ({"reduction": "max"}, "reduction must be one of"),
        ({"gate_penalty": -1.0}, r"gate_penalty must be finite and >= 0, got -1\.0"),
        ({"empty": "skip"}, "empty must be one of 'error', 'zero', got 'skip'"),
    ):
        with pytest.raises(ValueError, match=message):
            ClassPairContrastiveLoss(**settings)
        with pytest.raises(ValueError, match=message):
            class_pair_contrastive(z, Y1, Y2, gate, **settings)
    loss = ClassPairContrastiveLoss()
    with pytest.raises(ValueError, match="z and gate must have the same shape"):
        loss(z, Y1, Y2, gate[:, :2])
    with pytest.raises(TypeError, match="z must be a floating tensor"):
        loss(z.long(), Y1, Y2, gate)
    with pytest.raises(TypeError, match="y2 must be int64"):
        loss(z, Y1, Y2.double(), gate)
    with pytest.raises(ValueError, match=r"y1 must have shape \(9,\), one per row, got \(4,\)"):
        loss(z, Y1[:4], Y2, gate)
    with pytest.raises(ValueError, match="keys and key_labels belong together"):
        loss(z, Y1, Y2, gate, z)
    with pytest.raises(ValueError, match="keys and key_labels belong together"):
        loss(z, Y1, Y2, gate, key_labels=Y1)
    with pytest.raises(ValueError, match=r"key_labels must have shape \(9,\)"):
        loss(z, Y1, Y2, gate, z, Y1[:3])
    with pytest.raises(ValueError, match="z and keys must have the same width, got 5 and 4"):
        loss(z, Y1, Y2, gate, z[:, :4], Y1)
    with pytest.raises(ValueError, match="the number of rows must be at least 1"):
        loss(z[:0], Y1[:0], Y2[:0], gate[:0])
    with pytest.raises(ValueError, match=r"gate must be in \[0, 1\]"):
        ClassPairContrastiveLoss(gate_penalty=0.1)(z, Y1, Y2, 3 * gate)
    with pytest.raises(ValueError, match="rows must be a slice"):
        loss(z, Y1, Y2, gate, rows=slice(0, 99))


# Several processes


def in_processes(encoder, batch, variant, other_keys):
    """Partners that no process could have drawn alone, and classes that some anchors miss."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gate = FeatureGate(20, WIDTH, label_dim=4, hidden_dim=5).double().eval()  # BatchNorm would see its own share
    y2 = torch.where(batch.labels == 17, 17, (batch.labels + batch.index) % 5)
    loss = GatheredLoss(ClassPairContrastiveLoss(variant=variant, gate_penalty=0.1))
    inputs = [encoder(batch.first), batch.labels, y2, gate(batch.labels, y2)]
    if other_keys:
        inputs += [encoder(batch.second), batch.labels]
    return Outcome(loss(*inputs), parameters=list(gate.parameters()))


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("other_keys", [False, True])
def test_processes_equal_one(gloo_pool, world, variant, other_keys):
    assert_equal_to_one_process(gloo_pool(world), in_processes, variant, other_keys)


def test_shares_average_to_the_whole_wherever_the_pairs_are():
    z, gate = draw(ROWS, D), gates(ROWS, D)
    shares = [class_pair_contrastive(z, Y1, Y2, gate, gate_penalty=0.2, rows=slice(a, a + 3)) for a in (0, 3, 6)]
    torch.testing.assert_close(sum(shares) / 3, class_pair_contrastive(z, Y1, Y2, gate, gate_penalty=0.2))
