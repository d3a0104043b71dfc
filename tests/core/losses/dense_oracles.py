"""The dense losses once more, from their equations: float64, one pixel, region or pair at a time, differentiable."""

import math

import torch

from tests.core.losses.oracles import log_sum, unit


def centres(box, h, w):
    """(x, y) of the pixels of one crop, row by row."""
    x1, y1, x2, y2 = (float(v) for v in box)
    bw, bh = (x2 - x1) / w, (y2 - y1) / h
    return [((k + 0.5) * bw + x1, (row + 0.5) * bh + y1) for row in range(h) for k in range(w)]


def positives(box_q, box_k, h, w, threshold):
    """A(i, j) of one image."""
    diagonals = [math.hypot((float(b[2]) - float(b[0])) / w, (float(b[3]) - float(b[1])) / h) for b in (box_q, box_k)]
    diagonal = max(diagonals)
    here, there = centres(box_q, h, w), centres(box_k, h, w)
    return torch.tensor([[math.dist(a, b) / diagonal < threshold for b in there] for a in here])


def pixels(maps):
    """One map (c, h, w) to its pixels, row by row."""
    c, h, w = maps.shape
    return torch.stack([maps[:, row, column] for row in range(h) for column in range(w)]).reshape(h * w, c)


def pix_pro(prediction, target, mask, factor=2.0):
    """One term per image; targets are constants."""
    terms = []
    for image in range(len(prediction)):
        y, x = unit(pixels(prediction[image])), unit(pixels(target[image])).detach()
        pairs = [(i, j) for i in range(len(y)) for j in range(len(x)) if mask[image, i, j]]
        total = sum((y[i].dot(x[j]) for i, j in pairs), 0 * y.sum())
        terms.append(-factor * total / max(len(pairs), 1))
    return torch.stack(terms)


def pix_contrast(query, key, mask, t):
    terms = []
    for image in range(len(query)):
        q, k = unit(pixels(query[image])), unit(pixels(key[image]))
        logs = []
        for i in range(len(q)):
            logits = [q[i].dot(row) / t for row in k]
            chosen = [value for j, value in enumerate(logits) if mask[image, i, j]]
            if chosen:
                logs.append(log_sum(logits) - log_sum(chosen))
        terms.append(torch.stack(logs).mean() if logs else 0 * q.sum())
    return torch.stack(terms)


PLACES = [(u, v) for u in (0, 2, 4) for v in (0, 2, 4)] + [(1, 1), (1, 3), (3, 1), (3, 3)]


def near(count, num_negatives):
    lists = []
    for u in range(count):
        far = {o: math.dist(PLACES[u], PLACES[o]) for o in range(count) if o != u}
        lists.append(sorted(far, key=lambda o: (round(far[o], 9), o))[:num_negatives])
    return lists


def local_region(first, second, t, num_negatives=5, partners=()):
    """Region vectors (n, r, d); one term per image."""

    def terms(a, b):
        lists, found = near(len(a), num_negatives), []
        for u in range(len(a)):
            same = a[u].dot(b[u]) / t
            others = [a[u].dot(a[o]) / t for o in lists[u]] + [a[u].dot(b[o]) / t for o in lists[u]]
            found.append(log_sum([same, *others]) - same)
        return found

    values = []
    for image in range(len(first)):
        a, b = unit(first[image]), unit(second[image])
        parts = terms(a, b) + terms(b, a)
        for other in partners:
            parts += terms(a, unit(other[image]))
        values.append(torch.stack(parts).mean())
    return torch.stack(values)


def domain_contrast(z, partition, volume, t, strategy, match=None):
    """One term per image, view by view: the sum over its positives."""
    views, count = z.shape[:2]
    unit_rows = [unit(view) for view in z]
    images = [(v, i) for v in range(views) for i in range(count)]
    terms = []
    for v, i in images:
        here = unit_rows[v][i]

        def negative(j, i=i):
            return j != i if strategy == "random" else bool(partition[j] != partition[i])

        def positive(u, j, v=v, i=i):
            if j == i:
                return u != v
            alike = partition[j] == partition[i] and (match is None or match[j] == match[i])
            return strategy == "domain" and u == v and bool(alike) and bool(volume[j] != volume[i])

        others = [here.dot(unit_rows[u][j]) / t for u, j in images if negative(j)]
        total = 0 * here.sum()
        for u, j in images:
            if positive(u, j):
                same = here.dot(unit_rows[u][j]) / t
                total = total + log_sum([same, *others]) - same
        terms.append(total)
    return torch.stack(terms)


def spectral(query, key, include_own):
    n = len(query)
    terms = []
    for i in range(n):
        squares = [query[i].dot(key[j]) ** 2 for j in range(n) if include_own or j != i]
        terms.append(-2 * query[i].dot(key[i]) + sum(squares) / len(squares))
    return torch.stack(terms)


def propagation(maps, h, gamma):
    """The pixels y_i of one map; ``h`` works on pixels."""
    x = pixels(maps)
    values, rows = unit(h(x)), unit(x)
    out = []
    for i in range(len(x)):
        weights = [rows[i].dot(rows[j]).clamp(min=0) ** gamma for j in range(len(x))]
        out.append(sum(w * value for w, value in zip(weights, values, strict=True)))
    return torch.stack(out)
