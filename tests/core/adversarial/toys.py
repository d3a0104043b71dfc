"""Small models, batches and the list of adversaries that the tests share."""

import torch
from torch import nn

from core.adversarial import FGM, FGSM, PGD, SMART, VAT, FreeLB, SiFT

KINDS = ("fgm", "fgsm", "pgd_l2", "pgd_linf", "vat", "vat_urlbert", "free_lb", "smart", "sift")
LABELLED = ("fgm", "fgsm", "pgd_l2", "pgd_linf", "free_lb")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def make(kind, seed=0, **settings):
    """An adversary with a random start wherever it has one, and radius 0.5 (SiFT has none)."""
    g = rng(seed)
    defaults = {
        "fgm": (FGM, {"epsilon": 0.5}),
        "fgsm": (FGSM, {"epsilon": 0.5}),
        "pgd_l2": (PGD, {"epsilon": 0.5, "random_start": True, "generator": g}),
        "pgd_linf": (PGD, {"epsilon": 0.5, "norm": "linf", "random_start": True, "generator": g}),
        "vat": (VAT, {"epsilon": 0.5, "xi": 1e-2, "generator": g}),
        "vat_urlbert": (
            VAT,
            {
                **{"epsilon": 0.5, "xi": 1e-2, "step_size": 1.0, "scope": "token", "steps": 2},
                **{"objective": "stopped_symmetric_kl", "generator": g},
            },
        ),
        "free_lb": (FreeLB, {"epsilon": 0.5, "init": 0.4, "step_size": 0.3, "generator": g}),
        "smart": (SMART, {"epsilon": 0.5, "step_size": 0.4, "sigma": 0.1, "steps": 2, "generator": g}),
        "sift": (SiFT, {"step_size": 0.3, "generator": g}),
    }
    kind_of, own = defaults[kind]
    return kind_of(**{**own, **settings})


class Pooled(nn.Module):
    """A classifier of embedded sequences: mean over real tokens of a small net, then logits. Pads are not looked at."""

    def __init__(self, width=5, classes=3, mask=None, dropout=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Dropout(dropout))
        self.head = nn.Linear(8, classes)
        self.mask = mask

    def forward(self, x):
        hidden = self.net(x)
        weights = torch.ones(x.shape[:2]) if self.mask is None else self.mask.float()
        pooled = (hidden * weights[..., None].to(hidden.dtype)).sum(1) / weights.sum(1, keepdim=True).to(hidden.dtype)
        return self.head(pooled)


def sequences(n=4, length=6, width=5, seed=0):
    """Embeddings, labels and a mask whose rows end in 0 to 3 pads."""
    x = torch.randn(n, length, width, generator=rng(seed))
    labels = torch.randint(0, 3, (n,), generator=rng(seed + 1))
    mask = torch.arange(length)[None] < length - torch.arange(n)[:, None] % 4
    return x, labels, mask


def reference(kind, model, x, labels):
    """What `loss` takes: labels, or the clean logits."""
    return labels if kind in LABELLED else model(clean(kind, x))


def clean(kind, x):
    """The input that the adversary departs from."""
    return SiFT.normalize(x) if kind == "sift" else x
