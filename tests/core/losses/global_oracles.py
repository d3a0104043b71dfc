"""SogCLR and iSogCLR once more, from their equations: float64, one anchor and one negative at a time."""

import math
from dataclasses import dataclass, field

import torch

from tests.core.losses.oracles import unit


def log_of_sum(logs):
    """log sum exp of numbers, their greatest taken out."""
    return max(logs) + math.log(math.fsum(math.exp(x - max(logs)) for x in logs))


@dataclass
class GlobalOracle:
    """The algorithm with its memories, which are dictionaries by side and sample.

    ``bimodal`` gives each side its own memory and takes negatives from the other side only. Without ``eta`` the
    temperatures stand still.
    """

    gamma: float
    temperature: float
    bimodal: bool = False
    unit_coefficient: bool = False
    rho: float = 0.0
    eta: float = 0.0
    beta: float = 1.0
    grad_clip: float = math.inf
    bounds: tuple[float, float] = (0.0, math.inf)
    log_s: dict = field(default_factory=dict)
    momentum: dict = field(default_factory=dict)
    tau: dict = field(default_factory=dict)

    def step(self, first, second, index, index_b=None):
        """Values and surrogates of the 2n anchors, one side and then the other; moves the memories."""
        views, n = [unit(first), unit(second)], len(first)
        ids = [index.tolist(), (index if index_b is None else index_b).tolist()]
        values, surrogates, new_s, gradients = [], [], {}, {}
        for v in (0, 1):
            for i in range(n):
                memory = (v if self.bimodal else 0, ids[v][i])
                t = self.tau.get(memory, self.temperature)
                anchor, positive = views[v][i], views[v][i].dot(views[1 - v][i])
                others = [1 - v] if self.bimodal else [0, 1]
                sims = [anchor.dot(views[w][j]) for w in others for j in range(n) if j != i]
                h = [sim - positive for sim in sims]
                exponents = [float(x.detach()) / t for x in h]
                log_g = log_of_sum(exponents) - math.log(len(h))
                log_s = log_g
                if memory in self.log_s and self.gamma < 1:
                    old = self.log_s[memory] + math.log(1 - self.gamma)
                    log_s = log_of_sum([old, log_g + math.log(self.gamma)])
                weights = [math.exp(x - log_s) for x in exponents]
                if self.unit_coefficient:
                    surrogates.append(sum(w * x for w, x in zip(weights, sims, strict=True)) / len(h) - positive)
                else:
                    surrogates.append(sum(w * x for w, x in zip(weights, h, strict=True)) / len(h))
                values.append(t * (log_s + self.rho))
                pull = sum(w * x for w, x in zip(weights, exponents, strict=True)) / len(h)
                new_s.setdefault(memory, []).append(log_s)
                gradients.setdefault(memory, []).append(log_s + self.rho - pull)
        for memory, logs in new_s.items():
            self.log_s[memory] = log_of_sum(logs) - math.log(len(logs))
        for memory, parts in gradients.items():
            gradient = min(max(sum(parts) / len(parts), -self.grad_clip), self.grad_clip)
            self.momentum[memory] = (1 - self.beta) * self.momentum.get(memory, 0.0) + self.beta * gradient
            moved = self.tau.get(memory, self.temperature) - self.eta * self.momentum[memory]
            self.tau[memory] = min(max(moved, self.bounds[0]), self.bounds[1])
        return torch.tensor(values, dtype=torch.float64), torch.stack(surrogates)

    def states(self, num_samples, side=0):
        """log s, temperatures and momentum of one side as tensors."""
        rows = range(num_samples)
        filled = (
            [self.log_s.get((side, i), -math.inf) for i in rows],
            [self.tau.get((side, i), self.temperature) for i in rows],
            [self.momentum.get((side, i), 0.0) for i in rows],
        )
        return [torch.tensor(values, dtype=torch.float64) for values in filled]
