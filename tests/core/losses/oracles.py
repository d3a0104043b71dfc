"""The losses once more, straight from their equations: float64, one row and one term at a time, differentiable."""

import torch


def unit(x):
    x = x.double()
    return torch.stack([row / row.dot(row).sqrt() for row in x])


def log_sum(logits):
    return torch.logsumexp(torch.stack(logits), 0)


def info_nce(query, key, t, negatives=None, in_batch=True):
    query, key = unit(query), unit(key)
    terms = []
    for i in range(len(query)):
        candidates = [key[i]]
        if in_batch:
            candidates += [key[j] for j in range(len(key)) if j != i]
        if negatives is not None:
            candidates += list(unit(negatives if negatives.dim() == 2 else negatives[i]))
        terms.append(log_sum([query[i].dot(c) / t for c in candidates]) - query[i].dot(key[i]) / t)
    return torch.stack(terms)


def nt_xent(query, key, t):
    z, n = torch.cat([unit(query), unit(key)]), len(query)
    terms = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        terms.append(log_sum([z[i].dot(z[k]) / t for k in range(2 * n) if k != i]) - z[i].dot(z[partner]) / t)
    return torch.stack(terms)


def dcl(query, key, t, weights=None):
    z, n = torch.cat([unit(query), unit(key)]), len(query)
    terms = []
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        weight = 1 if weights is None else weights[i % n]
        negatives = [z[i].dot(z[k]) / t for k in range(2 * n) if k not in (i, partner)]
        terms.append(log_sum(negatives) - weight * z[i].dot(z[partner]) / t)
    return torch.stack(terms)


def dclw_weights(query, key, sigma):
    cosines = [a.dot(b) for a, b in zip(unit(query), unit(key), strict=True)]
    mean = sum(torch.exp(c / sigma) for c in cosines) / len(cosines)
    return torch.stack([2 - torch.exp(c / sigma) / mean for c in cosines])


def sup_con(z, labels, t, variant):
    """One term per anchor with a positive, in their order."""
    z = unit(z)
    terms = []
    for i in range(len(z)):
        total = log_sum([z[i].dot(z[k]) / t for k in range(len(z)) if k != i])
        logs = [z[i].dot(z[p]) / t - total for p in range(len(z)) if p != i and labels[p] == labels[i]]
        if not logs:
            continue
        mean = torch.stack(logs).mean() if variant == "out" else log_sum(logs) - torch.tensor(len(logs)).double().log()
        terms.append(-mean)
    return torch.stack(terms)


def clip(query, key, t):
    return (info_nce(query, key, t) + info_nce(key, query, t)) / 2


def triplets(z, labels, distance):
    """Every (d(a, p), d(a, n)) with its anchor."""
    z = unit(z) if distance == "cosine" else z.double()
    rows = range(len(z))

    def far(i, j):
        return 1 - z[i].dot(z[j]) if distance == "cosine" else (z[i] - z[j]).pow(2).sum().sqrt()

    return [
        (a, far(a, p), far(a, n))
        for a in rows
        for p in rows
        for n in rows
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]


def scaled_cosine(prediction, target, gamma):
    return torch.stack([(1 - a.dot(b)) ** gamma for a, b in zip(unit(prediction), unit(target), strict=True)])
