"""Barlow Twins and VICReg once more, from the papers' equations: float64, one pair of columns at a time."""

import torch


def covariance(a, b):
    count = len(a)
    mean_a, mean_b = sum(a) / count, sum(b) / count
    return sum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / (count - 1)


def barlow_twins(query, key, weight=5e-3):
    query, key = query.double(), key.double()
    width, total = query.shape[1], 0
    for i in range(width):
        for j in range(width):
            a, b = query[:, i], key[:, j]
            c = covariance(a, b) / (covariance(a, a) * covariance(b, b)).sqrt()
            total = total + ((1 - c) ** 2 if i == j else weight * c**2)
    return total


def vicreg(query, key, inv=25.0, var=25.0, cov=1.0, eps=1e-4):
    query, key = query.double(), key.double()
    count, width = query.shape
    far = sum((a - b).dot(a - b) for a, b in zip(query, key, strict=True)) / (count * width)
    hinge, shared = 0, 0
    for view in (query, key):
        for i in range(width):
            std = (covariance(view[:, i], view[:, i]) + eps).sqrt()
            hinge = hinge + torch.clamp(1 - std, min=0) / width / 2
            for j in range(width):
                if i != j:
                    shared = shared + covariance(view[:, i], view[:, j]) ** 2 / width
    return inv * far + var * hinge + cov * shared
