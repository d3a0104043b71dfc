"""Losses over targets and soft labels straight from their equations: float64, one row and one pair at a time."""

import torch

from core.samplers import OrdinalMixup
from tests.core.losses.oracles import log_sum, unit


def rank_n_contrast(z, y, t, *, cosine=False):
    z = unit(z) if cosine else z.double()
    rows = range(len(z))

    def near(i, j):
        if cosine:
            return z[i].dot(z[j]) / t
        # vector_norm, because it has gradient 0 between equal rows
        return -torch.linalg.vector_norm(z[i] - z[j]) / t

    terms = []
    for i in rows:
        parts = []
        for j in rows:
            if j == i:
                continue
            rivals = [near(i, k) for k in rows if k != i and abs(y[i] - y[k]) >= abs(y[i] - y[j])]
            parts.append(log_sum(rivals) - near(i, j))
        terms.append(torch.stack(parts).mean())
    return torch.stack(terms)


def supremix(z, y, t, mixer=None, *, magnify=None, scale=1.0):
    """Terms of all rows; mixed rows are formed by ``mixer``, whose draw this uses up."""
    z, y = unit(z), y.double()
    mixed = (mixer or OrdinalMixup(None, mix_neg=False, mix_pos=False))(z, y)

    def weight(i, u):
        far = abs(y[i] - u) / scale
        return torch.log(1 + {None: 0 * far, "l1": far, "l2": far**2}[magnify])

    terms = []
    for i in range(len(z)):
        others = [a for a in range(len(z)) if a != i]
        logits = [z[i].dot(z[a]) / t + weight(i, y[a]) for a in others]
        for row, target, there in zip(mixed.neg[i], mixed.neg_target[i], mixed.neg_mask[i], strict=True):
            if there:
                logits.append(z[i].dot(row) / t + weight(i, target))
        positives = [z[i].dot(z[p]) / t for p in others if y[p] == y[i]]
        for row, there in zip(mixed.pos[i], mixed.pos_mask[i], strict=True):
            if there:
                logits.append(z[i].dot(row) / t)
                positives.append(z[i].dot(row) / t)
        terms.append(log_sum(logits) - torch.stack(positives).mean() if positives else z.sum() * 0)
    return torch.stack(terms)


def focal_contrastive(v, same, t, gamma, *, detach=False):
    """``same(i, j)`` says whether two rows are positives of each other."""
    v = unit(v)
    terms = []
    for i in range(len(v)):
        others = [k for k in range(len(v)) if k != i]
        total = log_sum([v[i].dot(v[k]) / t for k in others])
        parts = []
        for j in others:
            if same(i, j):
                log_p = v[i].dot(v[j]) / t - total
                weight = (-torch.expm1(log_p)).clamp(min=1e-300) ** gamma
                parts.append(-(weight.detach() if detach else weight) * log_p)
        terms.append(torch.stack(parts).mean() if parts else v.sum() * 0)
    return torch.stack(terms)
