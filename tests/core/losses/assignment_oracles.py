"""Sinkhorn and the swapped prediction once more: float64, the plain form, one number at a time."""

import math

import torch


def sinkhorn(scores, epsilon=0.05, iterations=3):
    """The released code's form: Q itself, all its factors, loops."""
    samples, prototypes = scores.shape
    q = [[math.exp(float(scores[b, k]) / epsilon) for b in range(samples)] for k in range(prototypes)]
    total = sum(map(sum, q))
    q = [[x / total for x in row] for row in q]
    for _ in range(iterations):
        q = [[x / sum(row) / prototypes for x in row] for row in q]
        sums = [sum(row[b] for row in q) for b in range(samples)]
        q = [[x / sums[b] / samples for b, x in enumerate(row)] for row in q]
    return torch.tensor([[row[b] * samples for row in q] for b in range(samples)], dtype=torch.float64)


def swapped(scores, t=0.1, epsilon=0.05, iterations=3, assign=(0, 1), queue=None):
    """One term per image, differentiable in ``scores``, a list of crops (b, k)."""
    scores = [crop.double() for crop in scores]
    count = len(scores[0])
    codes = []
    for place, crop in enumerate(assign):
        own = scores[crop].detach()
        joined = own if queue is None else torch.cat([queue[place].double(), own])
        codes.append(sinkhorn(joined, epsilon, iterations)[-count:])
    terms = []
    for b in range(count):
        total = 0
        for code, v in zip(codes, assign, strict=True):
            for w, other in enumerate(scores):
                if w != v:
                    logits = other[b] / t
                    total = total - sum(
                        code[b, k] * (logits[k] - torch.logsumexp(logits, 0)) for k in range(len(logits))
                    )
        terms.append(total / (len(assign) * (len(scores) - 1)))
    return torch.stack(terms)
