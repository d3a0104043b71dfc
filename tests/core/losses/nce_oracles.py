"""SimCSE, debiased and hard negatives, label and latent contrast once more: float64, one term at a time."""

import math

import torch

from tests.core.losses.oracles import log_sum, unit


def sim_cse(query, key, hard, t, w):
    query, key, hard = unit(query), unit(key), unit(hard)
    terms = []
    for i in range(len(query)):
        logits = [query[i].dot(key[j]) / t for j in range(len(key))]
        logits += [query[i].dot(hard[j]) / t + (w if i == j else 0) for j in range(len(key))]
        terms.append(log_sum(logits) - query[i].dot(key[i]) / t)
    return torch.stack(terms)


def hardness(query, key, t, beta, tau_plus, detach=False):
    """From sums of exponentials, all of them divided by the largest: e^1000 has no place in float64 either."""
    z, n = torch.cat([unit(query), unit(key)]), len(query)
    terms = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        positive = z[i].dot(z[partner]) / t
        negatives = torch.stack([z[i].dot(z[k]) / t for k in range(2 * n) if k not in (i, partner)])
        count = len(negatives)
        weights = torch.softmax(beta * negatives, 0)
        weights = weights.detach() if detach else weights
        high = torch.maximum(negatives.max(), positive).detach()
        reweighted = count * (weights * (negatives - high).exp()).sum()
        corrected = (reweighted - tau_plus * count * (positive - high).exp()) / (1 - tau_plus)
        floor = math.log(count) - 1 / t
        low = positive * 0 + floor
        total = corrected.log() + high if corrected > 0 and corrected.log() + high > floor else low
        terms.append(log_sum([positive, total]) - positive)
    return torch.stack(terms)


def label_contrast(inputs, labels, sets, t, candidates=None):
    """``sets`` lists each input's labels, ``candidates`` the negatives that were drawn for each."""
    inputs, labels = unit(inputs), unit(labels)
    terms = []
    for i, own in enumerate(sets):
        drawn = range(len(labels)) if candidates is None else candidates[i]
        below = [inputs[i].dot(labels[k]) / t for k in drawn if k not in own]
        single = [log_sum([inputs[i].dot(labels[p]) / t, *below]) - inputs[i].dot(labels[p]) / t for p in own]
        terms.append(sum(single) / len(own) if own else inputs[i].sum() * 0)
    return torch.stack(terms)


def latent_contrast(z, t, mean=True):
    z, terms = unit(z), []
    for i in range(len(z)):
        others = [z[i].dot(z[j]) / t for j in range(len(z)) if j != i]
        shift = math.log(len(others)) if mean else 0
        one = torch.ones((), dtype=torch.float64) / t
        terms.append(log_sum([one, *(s - shift for s in others)]) - one)
    return torch.stack(terms)
