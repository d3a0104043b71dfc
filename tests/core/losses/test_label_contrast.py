"""Label contrast: cross-entropy over labels, forms of the targets, drawn negatives, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, normalize

from core.losses import LabelContrastLoss, label_contrast, ranking_nce
from core.losses.label_sets import label_indices
from tests.core.losses import nce_oracles as oracles


def rows(n, d=5, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def multi_hot(sets, labels):
    mask = torch.zeros(len(sets), labels, dtype=torch.bool)
    for i, own in enumerate(sets):
        mask[i, list(own)] = True
    return mask


def test_one_label_each_is_cross_entropy():
    x, labels, targets = rows(6), rows(4, seed=1), torch.tensor([0, 3, 3, 1, 2, 0])
    logits = normalize(x) @ normalize(labels).T
    for t in (1.0, 0.1):
        expected = cross_entropy(logits / t, targets, reduction="none")
        torch.testing.assert_close(label_contrast(x, labels, targets, temperature=t, reduction="none"), expected)
    plain = LabelContrastLoss(temperature=2.0, normalize=False)(x, labels, targets)
    torch.testing.assert_close(plain, cross_entropy(x @ labels.T / 2, targets))


@given(sets=st.lists(st.sets(st.integers(0, 5), max_size=5), min_size=1, max_size=7), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_any_sets_give_the_loop_value(sets, seed):
    x, labels = rows(len(sets), seed=seed), rows(6, seed=seed + 100)
    expected = oracles.label_contrast(x, labels, [sorted(own) for own in sets], 0.3)
    found = label_contrast(x, labels, multi_hot(sets, 6), temperature=0.3, reduction="none", empty="zero")
    torch.testing.assert_close(found, expected)


def test_the_three_forms_of_targets_agree():
    sets = [[2], [0, 3], [4, 1, 2], []]
    indices = torch.tensor([[2, -1, -1], [-1, 3, 0], [1, 4, 2], [-1, -1, -1]])
    sorted_indices = [[2, -1, -1], [0, 3, -1], [1, 2, 4], [-1, -1, -1]]
    assert label_indices(indices, 4, 5).tolist() == sorted_indices
    assert label_indices(multi_hot(sets, 5), 4, 5).tolist() == sorted_indices
    x, labels = rows(4), rows(5, seed=1)
    values = [label_contrast(x, labels, t, empty="zero") for t in (indices, multi_hot(sets, 5))]
    assert values[0] == values[1]
    one = torch.tensor([2, 0, 4, 1])
    torch.testing.assert_close(label_contrast(x, labels, one), label_contrast(x, labels, one[:, None]))


def test_it_is_ranking_nce_of_the_same_scores():
    x, labels = rows(4), rows(6, seed=1)
    own = torch.tensor([[0, 1], [2, 5], [3, 4], [5, 0]])
    s = normalize(x) @ normalize(labels).T
    mask = torch.ones(4, 6, dtype=torch.bool).scatter(1, own, False)
    expected = ranking_nce(s.gather(1, own), s, temperature=0.2, negative_mask=mask, reduction="none")
    torch.testing.assert_close(label_contrast(x, labels, own, temperature=0.2, reduction="none"), expected)


def test_all_labels_as_negatives_are_the_default():
    x, labels, targets = rows(5), rows(6, seed=1), torch.tensor([0, 3, 5, 1, 1])
    expected = label_contrast(x, labels, targets, reduction="none")
    shared = label_contrast(x, labels, targets, reduction="none", negatives=torch.randperm(6))
    others = torch.tensor([[k for k in range(6) if k != t] for t in targets.tolist()])
    torch.testing.assert_close(shared, expected)
    torch.testing.assert_close(label_contrast(x, labels, targets, reduction="none", negatives=others), expected)


def test_other_names_for_the_labels_change_nothing():
    x, labels, targets = rows(5), rows(6, seed=1), torch.tensor([[0, 3], [5, -1], [1, 2], [4, 0], [2, 5]])
    order = torch.tensor([4, 0, 5, 2, 1, 3])
    renamed = torch.where(targets < 0, -1, torch.argsort(order)[targets])
    torch.testing.assert_close(label_contrast(x, labels[order], renamed), label_contrast(x, labels, targets))


def test_equal_embeddings_leave_chance():
    x, labels = torch.ones(3, 4), torch.ones(7, 4)
    assert float(label_contrast(x, labels, torch.tensor([0, 1, 2]))) == pytest.approx(math.log(7), abs=1e-5)
    two = torch.tensor([[0, 1], [2, 3], [4, 5]])  # 5 negatives each
    assert float(label_contrast(x, labels, two)) == pytest.approx(math.log(6), abs=1e-5)


def test_inputs_without_a_label():
    x, labels = rows(3).requires_grad_(), rows(4, seed=1)
    targets = torch.tensor([[0, 2], [-1, -1], [3, -1]])
    with pytest.raises(ValueError, match="targets gives no label to 1 of 3 inputs"):
        label_contrast(x, labels, targets)
    loss = LabelContrastLoss(empty="zero", reduction="none")
    terms = loss(x, labels, targets)
    assert terms[1] == 0
    torch.testing.assert_close(label_contrast(x, labels, targets, empty="zero"), terms.sum() / 3)
    assert torch.autograd.grad(terms.sum(), x)[0][1].abs().sum() == 0
    nothing = label_contrast(x, labels, torch.zeros(3, 4, dtype=torch.bool), empty="zero")
    assert nothing == 0
    assert not torch.autograd.grad(nothing, x)[0].any()


def test_many_labels_do_not_make_a_matrix_that_is_kept(monkeypatch):
    monkeypatch.setattr("core.similarity.arguments._PLAIN", 0)
    monkeypatch.setattr("core.similarity.arguments._PLAIN_FROZEN", 0)
    x, labels = rows(800).requires_grad_(), rows(1200, seed=1).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x.numel()), x)[1], lambda x: x):
        label_contrast(x, labels, torch.arange(800))
    assert 0 < sum(kept) < 800 * 1200 / 8


def test_reductions_and_settings():
    x, labels, targets = rows(5), rows(6, seed=1), torch.tensor([0, 3, 5, 1, 1])
    terms = LabelContrastLoss(reduction="none")(x, labels, targets)
    torch.testing.assert_close(LabelContrastLoss(reduction="sum")(x, labels, targets), terms.sum())
    torch.testing.assert_close(LabelContrastLoss()(x, labels, targets), terms.mean())
    assert "temperature=0.2, reduction='mean', normalize=True, empty='zero'" in repr(
        LabelContrastLoss(temperature=0.2, empty="zero")
    )


@pytest.mark.usefixtures("unchecked")
def test_bad_targets_are_named():
    x, labels = rows(3), rows(4, seed=1)

    def call(targets):
        return label_contrast(x, labels, targets)

    with pytest.raises(TypeError, match=r"targets must be int64 indices of labels or a boolean.*got torch\.float32"):
        call(torch.zeros(3, 4))
    with pytest.raises(ValueError, match=r"multi-hot targets must have shape \(3, 4\).*got \(3, 5\)"):
        call(torch.zeros(3, 5, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"targets must have shape \(3,\), one label a row.*got \(2,\)"):
        call(torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="targets must hold indices from 0 to 3, or -1 for none, got 0 to 4"):
        call(torch.tensor([0, 1, 4]))
    with pytest.raises(ValueError, match="targets names a label twice in row 1; a multi-hot mask must be boolean"):
        call(torch.tensor([[0, 1], [2, 2], [0, 3]]))
    with pytest.raises(ValueError, match="an input with all 4 labels has no negative"):
        call(torch.ones(3, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="the number of inputs must be at least 1, got 0"):
        label_contrast(x[:0], labels, torch.zeros(0, dtype=torch.int64))


@pytest.mark.usefixtures("unchecked")
def test_other_bad_input_is_named():
    x, labels, targets = rows(3), rows(4, seed=1), torch.tensor([0, 1, 2])
    with pytest.raises(ValueError, match="inputs and labels must have the same width, got 5 and 3"):
        label_contrast(x, labels[:, :3], targets)
    with pytest.raises(TypeError, match="labels must be a floating tensor"):
        label_contrast(x, labels.long(), targets)
    with pytest.raises(ValueError, match="empty must be one of 'error', 'zero', got 'skip'"):
        LabelContrastLoss(empty="skip")
    with pytest.raises(ValueError, match="temperature must be finite and > 0"):
        LabelContrastLoss(temperature=-1.0)

    def draw(negatives):
        return label_contrast(x, labels, targets, negatives=negatives)

    with pytest.raises(TypeError, match="negatives must be int64 indices of labels"):
        draw(torch.zeros(3, 2))
    with pytest.raises(ValueError, match=r"negatives must be \(k,\), shared by all inputs, or \(3, k\)"):
        draw(torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="negatives must hold indices from 0 to 3, got 0 to 4"):
        draw(torch.tensor([0, 4]))
    with pytest.raises(ValueError, match="negatives shared by all inputs must hold each label once"):
        draw(torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="an input has all 1 drawn labels"):
        draw(torch.tensor([2]))
    with pytest.raises(ValueError, match="negatives holds a label of input 1 itself"):
        draw(torch.tensor([[1], [1], [0]]))
