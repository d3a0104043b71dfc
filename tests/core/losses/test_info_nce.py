"""InfoNCE and NT-Xent: hand values, other libraries, queue form, duplicates."""

import math

import pytest
import torch
from pytorch_metric_learning.losses import NTXentLoss as PeerNTXent
from pytorch_metric_learning.losses import SupConLoss as PeerSupCon

from core.losses import InfoNCELoss, NTXentLoss, dcl, info_nce, nt_xent, sup_con
from core.losses.rows import other_members
from core.samplers import MemoryQueue
from tests.core.losses import oracles


def pair(n=6, d=5, seed=0):
    return torch.randn(2, n, d, generator=torch.Generator().manual_seed(seed))


def test_hand_values():
    eye = torch.eye(2)
    assert float(nt_xent(eye, eye, temperature=1.0)) == pytest.approx(math.log(1 + 2 / math.e), abs=1e-6)
    assert float(nt_xent(eye, eye, temperature=0.1)) == pytest.approx(9.0796e-5, rel=1e-4)
    assert float(info_nce(eye, eye, temperature=1.0)) == pytest.approx(math.log(1 + 1 / math.e), abs=1e-6)


def test_collapse_is_chance():
    same = torch.ones(4, 3)
    assert float(nt_xent(same, same)) == pytest.approx(math.log(7), abs=1e-6)
    assert float(info_nce(same, same)) == pytest.approx(math.log(4), abs=1e-6)


def test_queue_of_the_positive_itself():
    query, key = pair(5, 4)
    key = key[:1].repeat(5, 1)
    queue = key[:1].repeat(9, 1)
    for t in (1.0, 0.07, 0.001):
        assert float(info_nce(query, key, negatives=queue, temperature=t)) == pytest.approx(math.log(10), abs=1e-4)


def test_a_loss_near_zero_keeps_its_digits():
    """log(e^s + e^u) - s in float32 is 0 or 1e-6 here; the digits are in softplus(u - s)."""
    key = torch.eye(3)
    query = key + 0.01 * torch.ones(3, 3)
    for ours, oracle in ((info_nce, oracles.info_nce), (nt_xent, oracles.nt_xent)):
        torch.testing.assert_close(
            ours(query, key, temperature=0.05).double(), oracle(query, key, 0.05).mean(), rtol=1e-4, atol=0
        )


def test_nt_xent_is_what_other_libraries_say():
    query, key = pair(8, 6)
    labels = torch.arange(8).repeat(2)
    ours = nt_xent(query, key, temperature=0.1)
    for peer in (PeerNTXent(temperature=0.1), PeerSupCon(temperature=0.1)):
        torch.testing.assert_close(peer(torch.cat([query, key]), labels), ours, rtol=1e-6, atol=1e-6)


def test_nt_xent_is_supcon_with_a_label_per_instance():
    query, key = pair()
    torch.testing.assert_close(
        sup_con(torch.stack([query, key]), torch.arange(6), temperature=0.1), nt_xent(query, key, temperature=0.1)
    )


def test_nt_xent_is_softplus_of_dcl():
    query, key = pair().double()
    terms = dcl(query, key, temperature=0.2, reduction="none")
    torch.testing.assert_close(nt_xent(query, key, temperature=0.2, reduction="none"), terms.exp().log1p())


def test_symmetric_and_two_sided_paths_agree_on_larger_batches():
    """Enough rows for the kernel's tiles; all rows as anchors take the two-sided path."""
    query, key = pair(700, 16)
    leaves = [x.clone().requires_grad_() for x in (query, key)]
    others = [x.clone().requires_grad_() for x in (query, key)]
    whole = nt_xent(*leaves, temperature=0.1)
    parts = nt_xent(*others, temperature=0.1, rows=slice(0, 700))
    torch.testing.assert_close(whole, parts)
    whole.backward()
    parts.backward()
    for mine, other in zip(leaves, others, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_queue_form_leaves_the_batch_out_unless_told():
    query, key = pair()
    queue = pair(7, seed=1)[0]
    alone = info_nce(query, key, negatives=queue)
    torch.testing.assert_close(alone, InfoNCELoss(in_batch=False)(query, key, negatives=queue))
    assert InfoNCELoss(in_batch=True)(query, key, negatives=queue) > alone
    assert info_nce(query[:1], key[:1], negatives=queue).isfinite()
    assert info_nce(query[:1], key[:1], negatives=queue, in_batch=True).isfinite()


def test_queue_in_use_survives_its_update():
    """The loss keeps the negatives for its backward while the queue already takes the new keys."""
    query, key = pair(4, 5)
    query.requires_grad_()
    queue = MemoryQueue(600, 5, generator=torch.Generator().manual_seed(1))
    kept = queue.tensor()
    loss = info_nce(query, key, negatives=queue.tensor())
    queue.update(key)
    loss.backward()
    again = query.detach().clone().requires_grad_()
    info_nce(again, key, negatives=kept).backward()
    assert torch.equal(query.grad, again.grad)


def test_own_negatives_equal_shared_ones_when_all_are_alike():
    query, key = pair()
    queue = pair(3, seed=1)[0]
    own = queue.expand(6, 3, 5)
    for in_batch in (False, True):
        torch.testing.assert_close(
            info_nce(query, key, negatives=own, in_batch=in_batch),
            info_nce(query, key, negatives=queue, in_batch=in_batch),
        )


def test_own_negatives_of_a_share_of_the_anchors():
    query, key = pair()
    own = pair(6, 15, seed=1)[0].reshape(6, 3, 5)
    terms = info_nce(query, key, negatives=own, reduction="none")
    share = info_nce(query, key, negatives=own[2:4], rows=slice(2, 4), reduction="none")
    torch.testing.assert_close(share, terms[2:4])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(7, 4), (0, 5), (5, 3, 5), (6, 0, 5), (7,)])
def test_bad_negatives_are_refused(shape):
    with pytest.raises(ValueError, match="negatives must"):
        info_nce(*pair(), negatives=torch.zeros(shape))


def test_no_negatives_at_all_are_refused():
    with pytest.raises(ValueError, match="there are no negatives"):
        info_nce(*pair(), in_batch=False)


def test_dot_products_instead_of_cosines():
    query, key = pair(4, 3)
    logits = query @ key.T / 0.5
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(4))
    torch.testing.assert_close(InfoNCELoss(temperature=0.5, normalize=False)(query, key), expected)
    z = torch.cat([query, key])
    both = (z @ z.T / 0.5).fill_diagonal_(-torch.inf)
    expected = torch.nn.functional.cross_entropy(both, torch.arange(8).roll(4))
    torch.testing.assert_close(NTXentLoss(temperature=0.5, normalize=False)(query, key), expected)


def test_rows_of_the_same_instance_are_no_negatives():
    query, key = pair(5, 4)
    ids = torch.tensor([3, 8, 3, 9, 3])
    t = 0.3
    q, k = oracles.unit(query), oracles.unit(key)
    expected = []
    for i in range(5):
        logits = [q[i] @ k[j] / t for j in range(5) if j == i or ids[j] != ids[i]]
        expected.append(oracles.log_sum(logits) - q[i] @ k[i] / t)
    found = InfoNCELoss(temperature=t, reduction="none")(query, key, ids=ids)
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-5, atol=1e-6)
    z, both = torch.cat([q, k]), ids.repeat(2)
    expected = []
    for i in range(10):
        p = (i + 5) % 10
        logits = [z[i] @ z[j] / t for j in range(10) if j == p or both[j] != both[i]]
        expected.append(oracles.log_sum(logits) - z[i] @ z[p] / t)
    found = NTXentLoss(temperature=t, reduction="none")(query, key, ids=ids)
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-5, atol=1e-6)


def test_other_members_of_a_group():
    assert other_members(torch.tensor([1, 1, 1])).tolist() == [[1, 2], [2, 0], [0, 1]]
    assert other_members(torch.tensor([4, 2])).shape == (2, 0)
    ids = torch.randint(0, 9, (40,), generator=torch.Generator().manual_seed(0))
    for i, found in enumerate(other_members(ids).tolist()):
        assert sorted(j for j in found if j >= 0) == [j for j in range(40) if ids[j] == ids[i] and j != i]


@pytest.mark.usefixtures("unchecked")
def test_bad_ids_are_refused():
    with pytest.raises(ValueError, match=r"ids must be int64 of shape \(6,\), got torch.float32 of shape \(6,\)"):
        info_nce(*pair(), ids=torch.zeros(6))
    with pytest.raises(ValueError, match=r"ids must be int64 of shape \(6,\), got torch.int64 of shape \(5,\)"):
        nt_xent(*pair(), ids=torch.zeros(5, dtype=torch.int64))


def test_ids_that_leave_an_anchor_without_negatives_are_refused():
    query, key = pair()
    for loss in (info_nce, nt_xent):
        with pytest.raises(ValueError, match=r"no candidate|without .*candidate|every candidate"):
            loss(query, key, ids=torch.zeros(6, dtype=torch.int64))
    with_queue = info_nce(query, key, ids=torch.zeros(6, dtype=torch.int64), negatives=key, in_batch=True)
    torch.testing.assert_close(with_queue, info_nce(query, key, negatives=key))
