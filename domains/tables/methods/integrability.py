"""How probable it is that two rows are the same thing, learned by SSACL from the rows themselves."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from core.errors import UserError
from core.progress import watched
from core.training.fit import fit
from core.training.seeding import seed_everything
from core.training.settings import FitSettings
from domains.tables.augment import SemanticAugmenter
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.known_pairs import CheckedLabels, Labels, check_pairs, checked_labels
from domains.tables.matching.otsu import otsu
from domains.tables.methods.explanation import PairExplanation
from domains.tables.methods.integrability_folder import read_parts, write_parts
from domains.tables.methods.pairs import gather_pairs, shared_count
from domains.tables.methods.partners import Partners
from domains.tables.methods.prepared import distinct_values, mate_bound, train_values
from domains.tables.methods.reproducible import one_thread
from domains.tables.methods.ssacl import SSACL, SSACLSettings
from domains.tables.methods.tuple_batches import TupleBatches
from domains.tables.methods.value_contrast import ValueContrast, ValueContrastSettings
from domains.tables.methods.value_perturbation import ValuePerturbation
from domains.tables.models.sentence import SentenceEncoder
from domains.tables.models.tuple_encoder import EncodedTable, TupleEncoder
from domains.tables.sets.graph import PairGraph

__all__ = ["IntegrabilityModel", "PairScores"]

_BLOCK = 4096
_CERTAIN = (1e-6, 1 - 1e-6)
"""Probabilities beyond these count as these where log odds are split."""


@dataclass(frozen=True, eq=False)
class PairScores:
    """What is known of pairs.

    Attributes:
        probability: ``(p,)`` float32 in [0, 1]; NaN, unknown, where no attribute is shared.
        support: ``(p,)`` int64, number of attributes that both rows have.
    """

    probability: NDArray[np.float32]
    support: NDArray[np.int64]


class IntegrabilityModel:
    """SSACL as a tool: an encoder of values and a matcher, learned from a table; labels are welcome and not needed.

    Everything is learned on one thread, so that the same table, settings and seed give the same numbers on any machine
    setting of threads. Memory is that of the distinct values, 4 * width bytes each, and of a block of pairs.

    Args:
        settings: of SSACL.
        encoder: of values: settings of the embedded one, which is trained on the table, or a frozen transformer.
        semantic: substitutes values by others of the same meaning; by default without a translation model.
        bound: mean cosine over shared attributes from which another tuple is no negative, because it may be a true
            mate. None finds it: Otsu's split of the candidates' cosines, 0.8 without candidates.

    Attributes:
        columns: attributes that were learned from.
        method: the trained matcher.
        tuples: the encoder, with the vectors of all values seen.

    >>> IntegrabilityModel().predict_proba(np.array([0]), np.array([1]))
    Traceback (most recent call last):
    core.errors.UserError: the model has not been trained: call fit(table), or IntegrabilityModel.load(folder)
    """

    def __init__(
        self,
        settings: SSACLSettings | None = None,
        *,
        encoder: ValueContrastSettings | SentenceEncoder | None = None,
        semantic: SemanticAugmenter | None = None,
        bound: float | None = None,
    ) -> None:
        self.settings = settings or SSACLSettings()
        self.encoder = encoder or ValueContrastSettings()
        self.semantic = semantic
        self.bound = bound
        self.columns: tuple[str, ...] = ()
        self.method: SSACL | None = None
        self.tuples: TupleEncoder | None = None
        self._encoded: EncodedTable | None = None

    def fit(
        self,
        table: Table,
        candidates: Candidates | None = None,
        labels: Labels | None = None,
        *,
        seed: int = 0,
        folder: str | Path | None = None,
        resume: bool = False,
        progress: bool = True,
    ) -> IntegrabilityModel:
        """Learn from a table.

        Args:
            table: the rows.
            candidates: pairs of blocking, of which hard negatives come.
            labels: rows, rows, and 1 for the same thing, 0 for different ones; pairs that share no attribute say
                nothing and are left out.
            seed: of every draw.
            folder: keeps logs and checkpoints; None throws them away.
            resume: continue from the checkpoints in ``folder``.
            progress: show bars on a terminal.

        Returns:
            The model itself.

        Raises:
            UserError: fewer than two rows with values, pairs that are not of this table, labels other than 0 and 1.
            OperationError: the folder cannot be written.
        """
        if int(table.frame.notna().any(axis=1).sum()) < 2:
            raise UserError(f"{table.name} has fewer than two rows with values; there is nothing to learn from")
        if candidates is not None and candidates.count != len(table):
            raise UserError(f"the candidates are pairs of {candidates.count} rows, {table.name} has {len(table)}")
        known = None if labels is None else checked_labels(labels, len(table))
        semantic = (self.semantic or SemanticAugmenter()) if self.settings.semantic else None
        augmenter = ValuePerturbation(most=self.settings.changes, semantic=semantic)
        run = FitSettings(seed=seed, progress=progress)
        with ExitStack() as stack:
            stack.enter_context(one_thread())
            place = Path(folder) if folder is not None else Path(stack.enter_context(TemporaryDirectory()))
            values = self._values(table, augmenter, place / "values", run, resume)
            self.columns, self.tuples = tuple(table.columns), TupleEncoder(values)
            encoded = self._encoded = self.tuples.encode_values(table)
            method = SSACL(self.settings, width=values.width, generator=seed_everything(seed))
            batches = TupleBatches(
                encoded,
                values,
                augmenter,
                self.settings,
                bound=mate_bound(encoded, candidates) if self.bound is None else self.bound,
                partners=None if candidates is None else Partners.of(len(table), candidates.left, candidates.right),
                labelled=None if known is None else _telling(encoded, known),
            )
            fit(method, batches.loader(seed), folder=place / "matcher", settings=run, resume=resume)
            method.eval()
        self.method = method
        return self

    def _values(
        self, table: Table, augmenter: ValuePerturbation, folder: Path, run: FitSettings, resume: bool
    ) -> ValueContrast | SentenceEncoder:
        if isinstance(self.encoder, SentenceEncoder):
            return self.encoder
        encoder = ValueContrast(self.encoder, generator=seed_everything(run.seed))
        train_values(encoder, distinct_values(table), augmenter, folder, run, resume=resume)
        return encoder

    def predict(self, left: NDArray[np.int64], right: NDArray[np.int64], *, table: Table | None = None) -> PairScores:
        """Probability and support of pairs, in blocks.

        Args:
            left: ``(p,)`` rows.
            right: ``(p,)`` rows; the order within a pair does not matter.
            table: what the rows are of, by default the table that was learned from. Attributes that were not learned
                from are ignored; ones that it lacks are missing.

        Raises:
            UserError: not trained, no table after loading, rows that the table does not have.
        """
        method, encoded = self._ready(table)
        check_pairs(left, right, len(encoded))
        support = np.empty(len(left), dtype=np.int64)
        logits = np.empty(len(left), dtype=np.float32)
        blocks = range(0, len(left), _BLOCK)
        with one_thread(), torch.inference_mode():
            for start in watched(blocks, "scoring pairs", len(blocks)):
                block = slice(start, start + _BLOCK)
                one, other = encoded.code[left[block]], encoded.code[right[block]]
                support[block] = shared_count(one, other)
                logits[block] = method.logits(gather_pairs(encoded.vectors, one, other)).numpy()
        return PairScores(np.where(support > 0, expit(logits), np.float32(np.nan)), support)

    def predict_proba(
        self, left: NDArray[np.int64], right: NDArray[np.int64], *, table: Table | None = None
    ) -> NDArray[np.float32]:
        """``(p,)`` probabilities alone, see `predict`; NaN where no attribute is shared.

        Args:
            left: ``(p,)`` rows.
            right: ``(p,)`` rows.
            table: what the rows are of.
        """
        return self.predict(left, right, table=table).probability

    def graph(self, candidates: Candidates, *, table: Table | None = None) -> PairGraph:
        """Candidates with their probabilities; those that share no attribute, of which nothing is known, are no edges.

        Args:
            candidates: pairs worth comparing.
            table: what the rows are of.
        """
        scores = self.predict(candidates.left, candidates.right, table=table)
        known = scores.support > 0
        return PairGraph.of(
            candidates.count, candidates.left[known], candidates.right[known], scores.probability[known]
        )

    def suggest_threshold(self, candidates: Candidates, *, table: Table | None = None) -> float:
        """The probability that splits candidates into two groups best: Otsu's threshold of their log odds.

        The paper takes 0.5, which is right for candidates that are as easy to tell apart as changed versions of a tuple
        are from other tuples.

        Args:
            candidates: pairs worth comparing; 0.5 if fewer than two share an attribute.
            table: what the rows are of.
        """
        probability = self.predict_proba(candidates.left, candidates.right, table=table)
        known = probability[~np.isnan(probability)]
        return float(expit(otsu(logit(np.clip(known, *_CERTAIN))))) if len(known) > 1 else 0.5

    def explain(self, left: int, right: int, *, table: Table | None = None) -> PairExplanation:
        """Why one pair is judged as it is, attribute by attribute.

        The contribution of an attribute is the logit of the pair minus the logit of the pair without that attribute on
        both sides. Where no shared attribute would be left, nothing would be known, and the logit without it is 0.

        Args:
            left: a row.
            right: a row.
            table: what the rows are of.

        Raises:
            UserError: as `predict`.
        """
        method, encoded = self._ready(table)
        check_pairs(np.array([left]), np.array([right]), len(encoded))
        one, other = encoded.code[left], encoded.code[right]
        there = np.flatnonzero((one >= 0) | (other >= 0))
        without = np.stack([np.tile(side, (len(there) + 1, 1)) for side in (one, other)])
        without[:, np.arange(len(there)), there] = -1  # the last row stays whole
        with one_thread(), torch.inference_mode():
            logits = method.logits(gather_pairs(encoded.vectors, *without)).numpy().astype(np.float64)
        logits[shared_count(*without) == 0] = 0.0
        both = (one[there] >= 0) & (other[there] >= 0)
        product = encoded.vectors[one[there]] * encoded.vectors[other[there]]
        return PairExplanation(
            attributes=tuple(encoded.columns[place] for place in there),
            contribution=logits[-1] - logits[:-1],
            cosine=np.where(both, product.sum(axis=1, dtype=np.float64), np.nan),
            logit=float(logits[-1]),
            support=int(both.sum()),
        )

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder of JSON and safetensors; a frozen transformer is named, not copied.

        Args:
            folder: appears whole or not at all; an older one of that name is replaced.

        Raises:
            UserError: not trained.
            OperationError: disk full or not writable.
        """
        method, tuples = self.trained()
        write_parts(folder, method, tuples.values, self.columns)

    @classmethod
    def load(cls, folder: str | Path, *, encoder: SentenceEncoder | None = None) -> IntegrabilityModel:
        """A saved model; it scores rows of tables that are passed to it.

        Args:
            folder: what `save` wrote.
            encoder: the frozen transformer, where it is no longer in the folder it was in.

        Raises:
            UserError: a file is missing or damaged, or the transformer is not there or another one.
        """
        method, values, columns = read_parts(folder, encoder)
        model = cls(method.settings, encoder=values.settings if isinstance(values, ValueContrast) else values)
        model.columns, model.method, model.tuples = columns, method, TupleEncoder(values)
        return model

    def trained(self) -> tuple[SSACL, TupleEncoder]:
        """Matcher and encoder.

        Raises:
            UserError: there are none yet.
        """
        if self.method is None or self.tuples is None:
            raise UserError("the model has not been trained: call fit(table), or IntegrabilityModel.load(folder)")
        return self.method, self.tuples

    def _ready(self, table: Table | None) -> tuple[SSACL, EncodedTable]:
        method, tuples = self.trained()
        if table is not None:
            with one_thread():
                return method, tuples.encode_values(table, self.columns)
        if self._encoded is None:
            raise UserError("a loaded model knows no rows: pass table=, the table that the pairs are of")
        return method, self._encoded


def _telling(encoded: EncodedTable, labels: CheckedLabels) -> CheckedLabels:
    """The pairs with labels that share an attribute."""
    kept = shared_count(encoded.code[labels[0]], encoded.code[labels[1]]) > 0
    return labels[0][kept], labels[1][kept], labels[2][kept]
