"""The definition, in float64 and with nothing clever: what the kernels are measured against."""

import torch
from torch import Tensor


def reference_logsumexp(query, key, temperature, exclude=None, extra=None) -> Tensor:
    """Row by row, candidate by candidate, differentiable by autograd."""
    columns = None if exclude is None else exclude.reshape(len(query), -1).tolist()
    rows = []
    for i, anchor in enumerate(query.double()):
        heat = temperature[i] if isinstance(temperature, Tensor) and temperature.dim() else temperature
        left_out = set() if columns is None else set(columns[i])
        kept = [j for j in range(len(key)) if j not in left_out]
        candidates = key.double()[kept]
        if extra is not None:
            candidates = torch.cat([candidates, extra[i].double()])
        rows.append(torch.logsumexp((candidates * anchor).sum(1) / heat, dim=0))
    return torch.stack(rows)
