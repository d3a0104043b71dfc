"""MoCHi: synthetic negatives, mixed from the hardest ones that there are."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from core.caller import warn_caller
from core.checks import check_at_least, check_embeddings
from core.losses.normalisation import unit_rows
from core.losses.rows import anchor_rows
from core.samplers.largest import largest
from core.samplers.mixtures import Mixtures, mixture_similarities, mixture_vectors

__all__ = ["HardNegativeMixing"]

_BLOCK = 1 << 20  # similarities held at once while the hardest are sought: 4 MB in float32


class HardNegativeMixing(nn.Module):
    """Synthetic negatives for each query, mixed from its hardest negatives and from itself; they join the real ones.

    Kalantidis et al. 2020 (MoCHi), arXiv 2010.01028; the paper writes MoCHi(N, s, s'). With H_i the N rows of the bank
    that are most similar to query i::

        h  = unit( alpha a + (1 - alpha) b )      a, b from H_i, alpha ~ U(0, 1)           s of them
        h' = unit( beta q_i + (1 - beta) n )      n from H_i,    beta  ~ U(0, beta_max)    s' of them

    Draw anew in every step, after some epochs of warm-up without synthetics, and never enqueue them. The unofficial
    code (davidsvy) draws a and b with replacement, so that a vector may be mixed with itself, and lets masked rows into
    H_i where fewer than N are left; here a and b differ and N shrinks.

    Args:
        n_hard: N, >= 1; more than there are valid rows counts as all of them, with one warning.
        n_pair: s, >= 0.
        n_query: s', >= 0; the hardest synthetics, and the risky ones: many of them cost linear accuracy.
        beta_max: in (0, 1]; up to 0.5 the mixture stays nearer to the negative.
        replace: whether a and b may be the same row.
        detach: whether synthetic vectors are constants, the query inside h' included, as in the code that is public.
            Otherwise query and bank get gradient through them, and `similarities` forms the vectors too.
        generator: for the draws; ``None`` takes torch's default one. Equal generators in all processes give equal draws
            for equal ``rows``.

    Raises:
        ValueError: counts out of range, pairs of different rows from a single one, beta_max outside (0, 1].

    Relations:
        With n_pair = n_query = 0 the loss is the one without. n_hard = 1 with ``replace=True`` repeats the hardest
        negative n_pair times. A bank without the rows of the query's own class is the paper's oracle: pass ``valid``.

    >>> mixer = HardNegativeMixing(2, 3, 1, generator=torch.Generator().manual_seed(0))
    >>> mixer(torch.eye(2, 4), torch.eye(4)[2:]).shape, mixer.similarities(torch.eye(2, 4), torch.eye(4)[2:]).shape
    (torch.Size([2, 4, 4]), torch.Size([2, 4]))
    """

    def __init__(
        self,
        n_hard: int,
        n_pair: int,
        n_query: int,
        *,
        beta_max: float = 0.5,
        replace: bool = False,
        detach: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_at_least("n_hard", n_hard, 1)
        check_at_least("n_pair", n_pair, 0)
        check_at_least("n_query", n_query, 0)
        if n_pair and n_hard < 2 and not replace:
            raise ValueError(f"n_hard must be at least 2 to mix two different rows, got {n_hard}; or pass replace=True")
        if not (math.isfinite(beta_max) and 0 < beta_max <= 1):
            raise ValueError(f"beta_max must be in (0, 1], got {beta_max!r}; the paper takes 0.5")
        self.n_hard = n_hard
        self.n_pair = n_pair
        self.n_query = n_query
        self.beta_max = beta_max
        self.replace = replace
        self.detach = detach
        self.generator = generator
        self._warned = False

    def extra_repr(self) -> str:
        """Every setting by name."""
        names = ("n_hard", "n_pair", "n_query", "beta_max", "replace", "detach")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    def forward(
        self,
        query: Float[Tensor, "n d"],
        bank: Float[Tensor, "k d"],
        valid: Bool[Tensor, " k"] | Bool[Tensor, "n k"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "r m d"]:
        """The synthetic negatives: n_pair mixtures of two, then n_query mixtures with the query.

        Args:
            query: anchors; normalised here.
            bank: negatives, a queue or the other rows of the batch; normalised here.
            valid: which rows of the bank may be mixed: for all queries, or for each, where the bank holds the query
                itself and its positive.
            rows: queries to work for. Draws are made for all n, so that shares of a batch are parts of the whole.

        Returns:
            Unit rows, ``(r, n_pair + n_query, d)``, in float32 or better; for `core.losses.info_nce` as ``negatives``.

        Raises:
            TypeError: integer embeddings, ``valid`` not boolean.
            ValueError: shapes, or a query with no valid row (with one, where two different ones are mixed).
        """
        unit, candidates, mixtures, _ = self._mix(query, bank, valid, rows)
        return mixture_vectors(unit.detach() if self.detach else unit, candidates, mixtures)

    def similarities(
        self,
        query: Float[Tensor, "n d"],
        bank: Float[Tensor, "k d"],
        valid: Bool[Tensor, " k"] | Bool[Tensor, "n k"] | None = None,
        *,
        rows: slice | None = None,
    ) -> Float[Tensor, "r m"]:
        """Cosines of each query and its synthetic negatives, without the vectors: a loss's ``extra_similarities``.

        What `forward` gives, multiplied with the queries, in value and gradient, for the same draws. Memory is that of
        the cosines and of a block of similarities to the bank. Arguments and errors are those of `forward`.
        """
        unit, candidates, mixtures, cosines = self._mix(query, bank, valid, rows)
        if self.detach:
            with torch.autocast(unit.device.type, enabled=False):
                return mixture_similarities(unit, candidates, cosines, mixtures)
        vectors = mixture_vectors(unit, candidates, mixtures)
        return (unit[:, None] * vectors).sum(dim=2)

    def _mix(
        self, query: Tensor, bank: Tensor, valid: Tensor | None, rows: slice | None
    ) -> tuple[Tensor, Tensor, Mixtures, tuple[Tensor, Tensor, Tensor]]:
        """Unit rows, what to mix, and the cosines of the queries and the rows mixed."""
        _check(query, bank, valid)
        anchors = anchor_rows(rows, len(query))
        mine = slice(anchors.start, anchors.stop)
        unit, candidates = unit_rows(query[mine]), unit_rows(bank)
        common = torch.promote_types(unit.dtype, candidates.dtype)
        unit, candidates = unit.to(common), candidates.to(common)
        draws = self._draw(len(query))[mine].to(unit.device)
        with torch.no_grad():
            mask = None
            if valid is not None:
                mask = valid[mine] if valid.dim() == 2 else valid.expand(len(unit), -1)
            room = self._room(mask, len(candidates), anchors)
            mixtures, cosines = self._choose(unit, candidates, mask, room, draws)
        return unit, candidates.detach() if self.detach else candidates, mixtures, cosines

    def _draw(self, count: int) -> Tensor:
        """Uniform numbers for all rows: two places and a weight for each pair, a place and a weight for the others."""
        device = None if self.generator is None else self.generator.device
        width = 3 * self.n_pair + 2 * self.n_query
        return torch.rand(count, width, generator=self.generator, device=device)

    def _room(self, mask: Tensor | None, width: int, anchors: range) -> Tensor:
        """How many rows each query may mix, ``(r, 1)`` or ``(1, 1)``."""
        left = torch.tensor([width]) if mask is None else mask.sum(dim=1)
        fewest = int(left.min())
        least = 2 if self.n_pair and not self.replace else 1
        if fewest < least:
            who = anchors.start + int(left.argmin())
            why = "two different ones are mixed; or pass replace=True" if fewest else "nothing can be mixed"
            raise ValueError(f"query {who} has {fewest} valid rows in the bank, which must be at least {least}: {why}")
        if fewest < self.n_hard and not self._warned:
            self._warned = True
            warn_caller(f"n_hard={self.n_hard} is more than the {fewest} valid rows of the bank, which are all taken")
        return left.clamp(max=self.n_hard)[:, None]

    def _choose(
        self, unit: Tensor, bank: Tensor, mask: Tensor | None, room: Tensor, draws: Tensor
    ) -> tuple[Mixtures, tuple[Tensor, Tensor, Tensor]]:
        s, t = self.n_pair, self.n_query
        first, second, alpha, partner, beta = draws.split([s, s, s, t, t], dim=1)
        # positions among the hardest, which stand in no order
        room = room.to(unit.device)
        one = _positions(first, room)
        if self.replace or not s:
            other = _positions(second, room)
        else:  # one of the others: skip over the first
            other = _positions(second, room - 1)
            other = other + (other >= one)
        places = torch.cat([one, other, _positions(partner, room)], dim=1)
        fewest, most = int(room.min()), int(room.max())
        indices, cosines = [], []
        step = min(len(unit), max(1, _BLOCK // len(bank)))
        buffer = unit.new_empty(step, len(bank))
        for start in range(0, len(unit), step):
            block = unit[start : start + step]
            with torch.autocast(unit.device.type, enabled=False):
                similarity = torch.mm(block, bank.T, out=buffer[: len(block)])
            if mask is not None:
                similarity.masked_fill_(~mask[start : start + step], -torch.inf)
            values, index = largest(similarity, most)
            if fewest < most:  # the masked rows that some queries then hold go to the end
                values, order = values.sort(dim=1, descending=True)
                index = index.gather(1, order)
            here = places[start : start + step]
            indices.append(index.gather(1, here))
            cosines.append(values.gather(1, here))
        mixed, known = (torch.cat(parts).split([s, s, t], dim=1) for parts in (indices, cosines))
        mixtures = Mixtures(mixed[0], mixed[1], alpha.to(unit), mixed[2], self.beta_max * beta.to(unit))
        return mixtures, (known[0], known[1], known[2])


def _positions(uniform: Tensor, room: Tensor) -> Tensor:
    """Integers from 0 to room - 1; rounding must not reach room itself."""
    return torch.minimum((uniform * room).long(), room - 1)


def _check(query: Tensor, bank: Tensor, valid: Tensor | None) -> None:
    check_embeddings("query", query)
    check_embeddings("bank", bank)
    if query.shape[1] != bank.shape[1]:
        raise ValueError(f"query and bank must have the same width, got {query.shape[1]} and {bank.shape[1]}")
    check_at_least("the rows of query", len(query), 1)
    check_at_least("the rows of bank", len(bank), 1, "there would be nothing to mix")
    if valid is None:
        return
    if valid.dtype != torch.bool:
        raise TypeError(f"valid must be boolean, got {valid.dtype}")
    if valid.shape not in ((len(bank),), (len(query), len(bank))):
        raise ValueError(
            f"valid must have shape ({len(bank)},) or ({len(query)}, {len(bank)}), got {tuple(valid.shape)}"
        )
