"""The domain's side of a training job."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit

from core.errors import UserError
from core.training.method import Method, MethodSettings
from core.training.settings import FitSettings
from domains.tables import METHODS
from domains.tables.augment import SemanticAugmenter
from domains.tables.blocking.default import NearestRows
from domains.tables.data.training_set import TrainingSet, read_training_set
from domains.tables.methods.pairs import gather_pairs, shared_count
from domains.tables.methods.partners import Partners
from domains.tables.methods.prepared import candidate_cosines, distinct_values, mate_bound, train_values
from domains.tables.methods.reproducible import one_thread
from domains.tables.methods.ssacl import SSACL, SSACLSettings
from domains.tables.methods.tuple_batches import TupleBatches
from domains.tables.methods.value_contrast import ValueContrast, ValueContrastSettings
from domains.tables.methods.value_perturbation import ValuePerturbation
from domains.tables.models.tuple_encoder import EncodedTable, TupleEncoder
from domains.tables.score import EvaluationSettings, PairScorer, best_threshold, evaluate_pairs, evaluate_sets

__all__ = ["TableTask", "pair_scorers"]

_BLOCK = 4096


class TableTask:
    """Load, build, batch, score: what `core.training.Task` asks of a domain.

    SSACL learns on vectors of the embedded encoder, which is trained on the same table when the method is built and
    kept with it. For a frozen transformer, and to judge your own rows, see
    `domains.tables.methods.integrability.IntegrabilityModel`.

    Attributes:
        evaluation_settings: the dataclass of the protocol.
    """

    evaluation_settings: type = EvaluationSettings

    def load(self, data: str | None) -> TrainingSet:
        """A name of the catalogue, a path, or (None) the embedded libraries."""
        return read_training_set(data or "libraries")

    def build(
        self, method: str, settings: MethodSettings, data: TrainingSet, generator: torch.Generator
    ) -> Method[Any]:
        """The untrained method; of SSACL the encoder of values is trained here.

        Raises:
            UserError: fewer than two rows with values.
        """
        if int(data.table.frame.notna().any(axis=1).sum()) < 2:
            raise UserError(f"{data.name} has fewer than two rows with values; there is nothing to learn from")
        if not isinstance(settings, SSACLSettings):
            built: Method[Any] = METHODS.get(method)(settings, generator=generator)
            if isinstance(built, ValueContrast):
                built.network.learn_rarity(distinct_values(data.table))
            return built
        plain = ValueContrastSettings()
        ssacl = SSACL(settings, width=plain.width, buckets=plain.buckets, generator=generator)
        values = ValueContrast(plain, generator=generator)
        run = FitSettings(seed=int(torch.randint(2**31, (1,), generator=generator)), progress=False)
        with one_thread(), TemporaryDirectory() as folder:
            train_values(values, distinct_values(data.table), _perturbation(ssacl), Path(folder), run)
        _encoder_of(ssacl).load_state_dict(values.network.state_dict())
        return ssacl

    def loader(
        self, method: Method[Any], data: TrainingSet, evaluation: EvaluationSettings, seed: int
    ) -> Iterable[Any]:
        """Tuples with changed versions and with other tuples; for ``value_contrast`` values with changed versions."""
        if isinstance(method, ValueContrast):
            return method.loader(distinct_values(data.table), ValuePerturbation(semantic=SemanticAugmenter()), seed)
        ssacl = _ssacl(method)
        encoded = TupleEncoder(_encoder_of(ssacl)).encode_values(data.table)
        candidates = NearestRows(evaluation.neighbours).candidates(data.table)
        return TupleBatches(
            encoded,
            _encoder_of(ssacl),
            _perturbation(ssacl),
            ssacl.settings,
            bound=mate_bound(encoded, candidates),
            partners=Partners.of(len(data.table), candidates.left, candidates.right),
            labelled=_told(encoded, data, evaluation, seed),
        ).loader(seed)

    def evaluate(
        self, method: Method[Any], data: TrainingSet, settings: EvaluationSettings, seed: int
    ) -> dict[str, float]:
        """F1 of the test pairs of a pair set, of the sets of rows of any other.

        Raises:
            UserError: data without truth.
        """
        score, chance = pair_scorers(method, data)
        if data.pairs is None:
            return evaluate_sets(data, score, chance, settings)
        if not settings.told:
            return evaluate_pairs(data, score)
        left, right, label = data.pairs.part("valid")
        return evaluate_pairs(data, score, at=best_threshold(label, score(left, right)))

    def describe(self, data: TrainingSet) -> dict[str, Any]:
        """Facts for the artifact."""
        shown: dict[str, Any] = {
            "name": data.name,
            "rows": len(data.table),
            "columns": data.table.columns,
            "sources": len(data.table.sources),
        }
        if data.labels is not None:
            shown["things"] = len(np.unique(data.labels))
        if data.pairs is not None:
            shown["pairs"] = len(data.pairs.label)
        return shown


def pair_scorers(method: Method[Any], data: TrainingSet) -> tuple[PairScorer, PairScorer]:
    """Scores of pairs of a table by a trained method, and the same as probabilities.

    SSACL gives log odds; ``value_contrast`` the mean cosine over the shared attributes. Pairs that share no attribute
    are unknown, NaN.

    Args:
        method: trained.
        data: the table.
    """
    encoder = method.network if isinstance(method, ValueContrast) else _encoder_of(_ssacl(method))
    encoded = TupleEncoder(encoder).encode_values(data.table)

    def score(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        support = shared_count(encoded.code[left], encoded.code[right])
        found = (
            candidate_cosines(encoded, left, right)
            if isinstance(method, ValueContrast)
            else _logits(_ssacl(method), encoded, left, right)
        )
        return np.where(support > 0, found.astype(np.float64), np.nan)

    def chance(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        found = score(left, right)
        return found if isinstance(method, ValueContrast) else np.asarray(expit(found))

    return score, chance


def _logits(
    method: SSACL, encoded: EncodedTable, left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    found = np.empty(len(left), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(left), _BLOCK):
            block = slice(start, start + _BLOCK)
            pairs = gather_pairs(encoded.vectors, encoded.code[left[block]], encoded.code[right[block]])
            found[block] = method.logits(pairs).numpy()
    return found


def _ssacl(method: Method[Any]) -> SSACL:
    if not isinstance(method, SSACL):
        raise UserError(f"{method.name} is no method of the tables domain")
    return method


def _encoder_of(method: SSACL) -> Any:
    if method.values is None:
        raise UserError("this model was trained on vectors from elsewhere; use IntegrabilityModel.load for it")
    return method.values


def _perturbation(method: SSACL) -> ValuePerturbation:
    semantic = SemanticAugmenter() if method.settings.semantic else None
    return ValuePerturbation(most=method.settings.changes, semantic=semantic)


def _told(
    encoded: EncodedTable, data: TrainingSet, settings: EvaluationSettings, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]] | None:
    """A share of the training pairs that share an attribute, drawn with the seed."""
    if not settings.told:
        return None
    if data.pairs is None or not len(data.pairs.part("train")[2]):
        raise UserError(f"{data.name} has no training pairs with labels; leave out --evaluate.told")
    left, right, label = data.pairs.part("train")
    drawn = np.random.default_rng(seed).permutation(len(label))[: max(1, round(settings.told * len(label)))]
    drawn = drawn[shared_count(encoded.code[left[drawn]], encoded.code[right[drawn]]) > 0]
    return left[drawn], right[drawn], label[drawn]
