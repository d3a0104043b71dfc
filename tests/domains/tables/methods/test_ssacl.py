import math

import pytest
import torch
from torch.nn import functional

from core.losses import BinaryNCELoss
from domains.tables.methods.pairs import PairTensors
from domains.tables.methods.ssacl import SSACL, SSACLSettings
from domains.tables.methods.tuple_batch import TupleBatch


def pairs(count: int, seed: int) -> PairTensors:
    draw = torch.Generator().manual_seed(seed)
    sides = [functional.normalize(torch.randn(count, 3, 6, generator=draw), dim=2) for _ in range(2)]
    masks = [torch.rand(count, 3, generator=draw) < 0.8 for _ in range(2)]
    masks[0][:, 0] = masks[1][:, 0] = True
    return PairTensors(sides[0], masks[0], sides[1], masks[1])


def own(count: int, seed: int) -> PairTensors:
    made = pairs(count, seed)
    return PairTensors(made.left, made.left_mask, made.left, made.left_mask)


def method(**settings: object) -> SSACL:
    generator = torch.Generator().manual_seed(0)
    return SSACL(SSACLSettings(**settings), width=6, generator=generator)


def batch(positives: int = 6, negatives: int = 20, labelled: int = 0) -> TupleBatch:
    told = pairs(labelled, 5) if labelled else None
    labels = torch.arange(labelled) % 2
    same = torch.arange(positives + negatives) < positives
    return TupleBatch(pairs(positives + negatives, 3), same, own(4, 4), told, labels.float())


def step(net: SSACL, of: TupleBatch) -> torch.Tensor:
    net.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer here
    return net.training_step(of, 0)


class TestLoss:
    def test_half_everywhere_is_log_two_of_each_pair(self):
        net = method(adversarial=0.0)
        torch.nn.init.zeros_(net.matcher.last.weight)
        assert float(step(net, batch()).detach()) == pytest.approx(math.log(2), abs=1e-6)
        summed = BinaryNCELoss(reduction="sum")(torch.zeros(6), torch.zeros(20))
        assert float(summed) == pytest.approx(26 * math.log(2), abs=1e-5)

    def test_equals_cross_entropy_of_the_same_labels(self):
        net, of = method(adversarial=0.0), batch()
        expected = functional.binary_cross_entropy_with_logits(net.logits(of.pairs), of.same.float())
        assert torch.allclose(step(net, of), expected)

    def test_the_parts_add_up(self):
        of = batch(labelled=8)
        clean, hard = step(method(adversarial=0.0, label_weight=0.0), of), method().adversarial_loss(of.tuples)
        told = functional.binary_cross_entropy_with_logits(method().logits(of.labelled), of.labels)
        whole = step(method(adversarial=0.5, label_weight=2.0), of)
        assert torch.allclose(whole, clean + 0.5 * hard + 2.0 * told)

    def test_without_negatives_the_positives_remain(self):
        net, of = method(adversarial=0.0), batch(negatives=0)
        assert torch.allclose(step(net, of), functional.softplus(-net.logits(of.pairs)).mean())


class TestAdversary:
    @pytest.mark.parametrize("tokens", ["comparison", "embedding"])
    def test_the_step_has_its_length_and_makes_the_pair_harder(self, tokens: str):
        net, single = method(epsilon=0.001, tokens=tokens).double(), own(16, 1)
        tuples = PairTensors(single.left.double(), single.left_mask, single.right.double(), single.right_mask)

        def loss(moved: torch.Tensor) -> torch.Tensor:
            changed = PairTensors(tuples.left, tuples.left_mask, moved, tuples.right_mask)
            return functional.softplus(-net.logits(changed))

        moved = net.adversary.perturb(loss, tuples.right, mask=tuples.right_mask)
        delta = moved - tuples.right
        assert torch.allclose(delta.flatten(1).norm(dim=1), torch.full((16,), 0.001, dtype=torch.float64))
        assert (delta[~tuples.right_mask] == 0).all()
        assert (loss(moved) > loss(tuples.right)).all()
        assert (loss(tuples.right - delta) < loss(tuples.right)).all()  # the wrong sign makes it easier
        assert torch.allclose(net.adversarial_loss(tuples), loss(moved).mean())

    def test_the_closed_form_of_a_linear_logit(self):
        net, weight = method(epsilon=0.3), torch.randn(3, 6, generator=torch.Generator().manual_seed(2))
        net.logits = lambda p: (p.right * weight).sum((1, 2))  # type: ignore[method-assign]
        tuples = own(5, 1)
        whole = PairTensors(*(torch.ones_like(p) if p.dtype == torch.bool else p for p in vars(tuples).values()))
        moved = whole.right - 0.3 * weight / weight.norm()
        expected = functional.softplus(-(moved * weight).sum((1, 2))).mean()
        assert torch.allclose(net.adversarial_loss(whole), expected)

    def test_a_length_of_zero_is_the_pair_itself(self):
        net, tuples = method(epsilon=0.0), own(5, 1)
        assert torch.allclose(net.adversarial_loss(tuples), functional.softplus(-net.logits(tuples)).mean())

    def test_no_gradient_stays_behind(self):
        net = method()
        net.adversary.perturb(
            lambda x: net.logits(PairTensors(x, torch.ones(2, 3).bool(), x, torch.ones(2, 3).bool())),
            torch.ones(2, 3, 6),
        )
        assert all(p.grad is None for p in net.parameters())


def test_the_papers_form_can_be_built_and_stepped():
    net = method(tokens="embedding", hidden=0, layers=(512, 256, 128), dropout=0.2, lr=1e-4, epochs=30, changes=1)
    assert [layer.out_features for layer in net.matcher.layers] == [512, 256, 128]
    loss = step(net, batch())
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_embed_gives_the_log_odds():
    net, of = method().eval(), pairs(5, 0)
    assert torch.equal(net.embed(of)[:, 0], net.logits(of).detach())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("tuples", 1),
        ("positives", 0),
        ("negatives", 0),
        ("hard_negatives", -1),
        ("versions", 0),
        ("changes", 0),
        ("label_batch", 0),
        ("change", 1.0),
        ("removal", -0.1),
        ("adversarial", -1.0),
        ("epsilon", math.inf),
        ("label_weight", math.nan),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=name):
        SSACLSettings(**{name: value})
