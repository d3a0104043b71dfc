"""The losses over stacked views once more, from their equations: float64, one term at a time, differentiable."""

import math

import torch

from tests.core.losses.oracles import log_sum, unit


def units(views):
    return [unit(view) for view in views]


def instances(views):
    return range(views.shape[1])


def pairs(views):
    return [(a, b) for a in range(len(views)) for b in range(a + 1, len(views))]


def positive_part(u, i, t):
    return log_sum([u[a][i].dot(u[b][i]) / t for a, b in pairs(u)])


def mv_info_nce(views, t, same_view=True):
    u, terms = units(views), []
    for i in instances(views):
        below = []
        for a in range(len(u)):
            for b in range(len(u)):
                if a == b and not same_view:
                    continue
                below += [u[a][i].dot(u[b][j]) / t for j in instances(views) if (j, b) != (i, a)]
        terms.append(log_sum(below) - math.log(2) - positive_part(u, i, t))
    return torch.stack(terms)


def mv_dhel(views, t):
    u, terms = units(views), []
    for i in instances(views):
        spread = [log_sum([view[i].dot(view[j]) / t for j in instances(views) if j != i]) for view in u]
        terms.append(sum(spread) - positive_part(u, i, t))
    return torch.stack(terms)


def pvc(views, t, aggregation):
    u, terms = units(views), []
    for a in range(len(u)):
        for i in instances(views):
            others = [u[a][i].dot(view[j]) / t for view in u for j in instances(views) if j != i]
            logs = []
            for b in range(len(u)):
                if b != a:
                    s = u[a][i].dot(u[b][i]) / t
                    logs.append(s - log_sum([s, *others]))
            if aggregation == "geometric":
                terms.append(-torch.stack(logs).mean())
            else:
                terms.append(math.log(len(logs)) - log_sum(logs))
    return torch.stack(terms)


def far(a, b):
    return (a - b).dot(a - b)


def weighted(costs, inverse_temperature, detach):
    weights = torch.softmax(inverse_temperature * torch.stack(costs), 0)
    return ((weights.detach() if detach else weights) * torch.stack(costs)).sum()


def mean(values):
    return torch.stack(values).mean()


def cacr(views, t_pos, t_neg, *, detach=False, symmetric=True, tau_plus=None):
    u, terms = units(views), []
    v = range(len(u))
    for i in instances(views):
        attraction = [weighted([far(u[a][i], u[b][i]) for b in v if b != a], t_pos, detach) for a in v]
        repulsion = []
        for a in v:
            for b in v:
                if a == b or (a > b and not symmetric):
                    continue
                expected = weighted([far(u[a][i], u[b][j]) for j in instances(views) if j != i], -t_neg, detach)
                if tau_plus is not None:
                    expected = (expected - tau_plus * far(u[a][i], u[b][i])) / (1 - tau_plus)
                repulsion.append(-expected)
        terms.append(mean(attraction) + mean(repulsion))
    return torch.stack(terms)


def cacr_rbf(views, t_pos, t_neg, rbf_t, *, detach=False, symmetric=True):
    """A single term: the logarithm stands outside the mean over instances."""
    u, n = units(views), instances(views)
    v = range(len(u))
    attraction = [weighted([far(u[a][i], u[b][i]) for b in v if b != a], t_pos, detach) for a in v for i in n]
    repulsion = []
    for a in v:
        for b in v:
            if a == b or (a > b and not symmetric):
                continue
            logs = []
            for i in n:
                costs = torch.stack([far(u[a][i], u[b][j]) for j in n if j != i])
                weights = torch.log_softmax(-t_neg * costs, 0)
                logs.append(log_sum(list((weights.detach() if detach else weights) - rbf_t * costs)))
            repulsion.append(log_sum(logs) - math.log(len(logs)))
    return (mean(attraction) + mean(repulsion))[None]


def comparators(size):
    """The odd-even network."""
    return [[(i, i + 1) for i in range(layer % 2, size - 1, 2)] for layer in range(size)]


def relaxed_sort(x, layers, steepness, share):
    """Values and permutation, one comparator at a time; ``share`` is the distribution function."""
    x = list(x)
    columns = list(torch.eye(len(x), dtype=torch.float64).unbind(1))
    for layer in layers:
        for a, b in layer:
            alpha, rest = share(steepness * (x[b] - x[a])), share(steepness * (x[a] - x[b]))
            x[a], x[b] = alpha * x[a] + rest * x[b], rest * x[a] + alpha * x[b]
            columns[a], columns[b] = alpha * columns[a] + rest * columns[b], rest * columns[a] + alpha * columns[b]
    return torch.stack(x), torch.stack(columns, 1)


def cauchy(v):
    """1/2 + atan(v)/pi, by its other form where v is negative and the two terms would cancel."""
    return torch.atan(-1 / v) / math.pi if v < 0 else 0.5 + torch.atan(v) / math.pi


def group_ordering(positives, negatives, steepness, layers=None, share=cauchy):
    x = torch.cat([torch.sort(negatives).values, torch.sort(positives).values])
    m = len(negatives)
    _, permutation = relaxed_sort(x, layers or comparators(len(x)), steepness, share)
    losses = [-permutation[i, m:].sum().log() if i >= m else -permutation[i, :m].sum().log() for i in range(len(x))]
    return mean(losses)


def groco(views, m, steepness, *, stop=True, all_views=False, n_positive=None, **options):
    u = units(views)
    fixed = [view.detach() for view in u] if stop else u
    terms = []
    for a in range(len(u)):
        for i in instances(views):
            positives = [u[a][i].dot(fixed[p][i]) for p in range(n_positive or len(u)) if p != a]
            pools = fixed if all_views else [fixed[a]]
            negatives = [u[a][i].dot(pool[j]) for pool in pools for j in instances(views) if j != i]
            hardest = torch.stack(sorted(negatives, key=lambda s: float(s.detach()))[-m:])
            terms.append(group_ordering(torch.stack(positives), hardest, steepness, **options))
    return torch.stack(terms)
