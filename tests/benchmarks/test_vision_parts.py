"""The further parts of the vision study at a tiny size: suppression, projection heads, regression, transfer."""

from dataclasses import replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks.vision import diabetes, projection, regression, suppression, trained, transfer
from core.errors import UserError
from domains.vision.data.compose import SHIFTS, digit_on_image, shifted
from domains.vision.data.embedded import embedded

BUDGET = {"width": 4, "depth": 10, "stem": "medium", "batch_size": 32, "epochs": 1, "warmup": 0.5}


@pytest.fixture(scope="module")
def digits():
    """128 training digits and 60 to test on."""
    whole = trained.few(embedded("digits"), 128)
    test = whole.test.nonzero().flatten()[:60]
    return whole.select(torch.cat([(~whole.test).nonzero().flatten(), test]).sort().values)


@pytest.fixture(scope="module")
def pictures(digits):
    """Digits over other, paler digits: both features without a download."""
    pale = replace(digits, images=digits.images // 3)
    return digit_on_image(pale, digits, seed=0)


def test_few_keeps_the_test_part_and_draws_by_seed():
    whole = embedded("digits")
    some = trained.few(whole, 100, seed=1)
    assert int((~some.test).sum()) == 100
    assert torch.equal(some.images[some.test], whole.images[whole.test])
    assert not torch.equal(some.images, trained.few(whole, 100, seed=2).images)
    assert trained.few(whole, 0) is whole
    with pytest.raises(UserError, match="no test part"):
        trained.few(replace(whole, test=None), 10)


def test_the_probe_has_one_strength_for_all_parts():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    rows = torch.randn(200, 5, generator=draw) + labels[:, None]
    found = trained.probe(rows, labels, {"a": (rows, labels), "b": (-rows, labels)}, 0)
    plain = LogisticRegression(C=1.0).fit(rows, labels)
    assert found["a"] == pytest.approx(plain.score(rows, labels), abs=0.03)
    assert found["b"] < 0.5 < found["a"]


@pytest.fixture(scope="module")
def suppressed(pictures, tmp_path_factory):
    """Scores of all systems, and the folder of their runs."""
    folder = tmp_path_factory.mktemp("runs")
    return folder, {
        system: suppression.suppression_cell(system, 0, data=pictures, budget=BUDGET, folder=folder)
        for system in suppression.SYSTEMS
    }


@pytest.mark.slow
def test_every_system_is_probed_for_both_features(suppressed):
    _, scores = suppressed
    for system, found in scores.items():
        assert {"accuracy image", "accuracy digit", "accuracy mean", "effective rank"} <= found.keys(), system
        assert found["accuracy mean"] == pytest.approx((found["accuracy image"] + found["accuracy digit"]) / 2)
        assert all(0 <= value <= 1 for name, value in found.items() if name != "effective rank")
    parts = {
        f"accuracy {f}, {p}" for f in ("image", "digit") for p in ("first 1", "first 2", "part 2 alone", "part 3 alone")
    }
    assert parts <= scores["MCL"].keys()
    assert parts <= scores[suppression.ENSEMBLE].keys()
    assert not parts & scores["one plain run"].keys()


@pytest.mark.slow
def test_the_first_stage_is_the_plain_run(suppressed):
    _, scores = suppressed
    for feature in suppression.FEATURES:
        plain = scores["one plain run"][f"accuracy {feature}"]
        assert scores["MCL"][f"accuracy {feature}, first 1"] == plain
        assert scores[suppression.ENSEMBLE][f"accuracy {feature}, first 1"] == plain


@pytest.mark.slow
def test_runs_are_not_done_twice_and_are_of_the_stated_size(suppressed, pictures):
    folder, scores = suppressed
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")}
    again = suppression.suppression_cell("MCL", 0, data=pictures, budget=BUDGET, folder=folder)
    assert again == scores["MCL"]
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*.ckpt")}
    assert {path.name for path in folder.iterdir()} == {
        *("mcl-0", "plain-0", "plain-1000", "plain-2000", "longer-0", "wider-0")
    }
    load = {path.parent.parent.name: torch.load(path, weights_only=True) for path in folder.rglob("last.ckpt")}
    assert {name: state["epoch"] + 1 for name, state in load.items()} == {
        **dict.fromkeys(["plain-0", "plain-1000", "plain-2000", "wider-0"], 1), "longer-0": 3, "mcl-0": 3,
    }  # fmt: skip
    assert len(load["wider-0"]["state_dict"]["encoder.layers.0.weight"]) == 12


def test_an_unknown_system_is_named(pictures, digits, tmp_path):
    with pytest.raises(UserError, match="unknown system 'MLC'"):
        suppression.suppression_cell("MLC", 0, data=pictures, budget=BUDGET, folder=tmp_path)
    with pytest.raises(UserError, match="unknown head"):
        projection.projection_cell("MPL head", 0, data=digits, budget=BUDGET, folder=tmp_path)
    with pytest.raises(UserError, match="unknown system"):
        regression.regression_cell("diabetes", False, "L2", 0, budget=BUDGET, folder=tmp_path)
    with pytest.raises(UserError, match="unknown data set"):
        regression.regression_cell("wine", False, "L1", 0, budget=BUDGET, folder=tmp_path)


@pytest.mark.parametrize("head", projection.HEADS)
def test_heads_are_probed_at_every_stage_on_clean_and_shifted_images(head, digits, tmp_path):
    found = projection.projection_cell(head, 0, data=digits, budget=BUDGET, folder=tmp_path)
    hidden = {"MLP head": 1, "three-layer head": 2}.get(head, 0)
    stages = ["pre", *[f"hidden:{k + 1}" for k in range(hidden)], "post"]
    conditions = ("clean", "shifted", "clean, kNN", "shifted, kNN")
    assert {f"accuracy {s}, {c}" for s in [*stages, "pre - post"] for c in conditions} == found.keys()
    for condition in conditions:
        gain = found[f"accuracy pre, {condition}"] - found[f"accuracy post, {condition}"]
        assert found[f"accuracy pre - post, {condition}"] == pytest.approx(gain)
    if head == "no head":
        assert found["accuracy pre, clean"] == found["accuracy post, clean"]
        assert found["accuracy pre, shifted, kNN"] == found["accuracy post, shifted, kNN"]


def test_shifted_is_the_mean_of_all_shifts(digits, tmp_path):
    method = trained.untrained("simclr", digits, 0, BUDGET)
    found = projection.projection_cell("MLP head", 0, data=digits, budget={**BUDGET, "epochs": 0}, folder=tmp_path)
    train, test = digits.select(~digits.test), digits.select(digits.test)
    shown = {"clean": test, **{kind: shifted(test, kind, seed=0) for kind in SHIFTS}}
    tests = {name: (method.embed(part.images), part.labels) for name, part in shown.items()}
    each = trained.probe(method.embed(train.images), train.labels, tests, 0)
    assert found["accuracy pre, clean"] == each["clean"]
    assert found["accuracy pre, shifted"] == pytest.approx(sum(each[kind] for kind in SHIFTS) / len(SHIFTS))


def test_a_dropped_digit_is_missing_from_the_second_view_only(digits, pictures):
    plain = trained.untrained("simclr", pictures, 0, BUDGET)
    pale = digits.images // 3
    for p_drop, expected in ((0.0, pictures.images), (1.0, pale)):
        method = projection.DroppedDigits(plain.settings, without=pale, p_drop=p_drop, **plain.input_spec)
        seen = []
        method.random_views = lambda images, count, seen=seen: (seen.append(images), plain.random_views(images, count))[
            1
        ]
        method.log = lambda *args, **kwargs: None
        method.training_step(pictures.batch(torch.arange(8)), 0)
        assert torch.equal(seen[0], pictures.images[:8])
        assert torch.equal(seen[1], expected[:8])


def test_dropped_digits_are_probed_for(digits, pictures, tmp_path):
    pale = replace(digits, images=digits.images // 3)
    found = projection.dropped_digit_cell(
        "linear head", 0.5, 0, data=pictures, backgrounds=pale, budget=BUDGET, folder=tmp_path
    )
    names = {f"accuracy {stage}, clean" for stage in ("pre", "post", "pre - post")}
    assert found.keys() == names | {f"{name}, kNN" for name in names}


@pytest.mark.parametrize("system", regression.SYSTEMS)
def test_angles_are_predicted(system, tmp_path):
    data = regression.rotation_data(True, name="digits-angle", images=200)
    found = regression.regression_cell("rotation angle", True, system, 0, data=data, budget=BUDGET, folder=tmp_path)
    assert {"MAE", "RMSE", "Pearson", "ordinality"} <= found.keys()
    assert ("regressor MAE" in found) == (system == "L1")
    assert 0 < found["MAE"] < 60


def test_the_cut_makes_large_angles_rare_and_leaves_the_test_part():
    even, cut = (regression.rotation_data(flag, name="digits-angle") for flag in (False, True))
    assert torch.equal(even.targets[even.test], cut.targets[cut.test])
    kept = cut.targets[~cut.test]
    assert 5 < int((kept < -36).sum()) / int((kept > 36).sum()) < 80


def test_the_table_is_tested_evenly_and_cut_for_training():
    x, y, test_x, test_y = diabetes.table(0, imbalanced=False)
    assert (len(x), len(test_x)) == (382, 60)
    bins = ((test_y - 25) / (346 - 25) * 5).long().clamp(max=4)
    assert bins.bincount().tolist() == [12] * 5
    assert torch.allclose(x.mean(0), torch.zeros(10), atol=1e-5)
    assert torch.allclose(x.std(0), torch.ones(10), atol=1e-5)
    cut_x, cut_y, _, same = diabetes.table(0, imbalanced=True)
    assert torch.equal(same, test_y)
    assert len(cut_x) < len(x)
    assert float((cut_y > 200).float().mean()) < float((y > 200).float().mean())


@pytest.mark.parametrize("system", regression.SYSTEMS)
def test_the_table_is_learnt_above_its_mean(system, tmp_path):
    arguments = {"budget": {"epochs": 5}, "folder": tmp_path}
    found = regression.regression_cell("diabetes", False, system, 0, **arguments)
    _, y, _, test_y = diabetes.table(0, imbalanced=False)
    assert found["MAE"] < float((test_y - y.mean()).abs().mean())
    assert found == regression.regression_cell("diabetes", False, system, 0, **arguments)
    assert ("regressor MAE" in found) == (system == "L1")


def test_transfer_probes_each_domain_by_itself(digits):
    domain = torch.arange(len(digits)) % 2
    images = torch.where(domain[:, None, None, None] == 0, digits.images, 0 * digits.images)
    data = replace(
        digits, images=images, attributes={"domain": domain}, test=None, facts={"domain_names": ["drawn", "black"]}
    )
    method = trained.untrained("simclr", digits, 0, BUDGET)
    for source in (method, None):
        found = transfer.transfer_scores(source, 0, data=data)
        assert found.keys() == {"accuracy drawn", "accuracy black", "accuracy mean"}
        assert found["accuracy drawn"] > 0.2 > found["accuracy black"]
        assert found["accuracy mean"] == pytest.approx((found["accuracy drawn"] + found["accuracy black"]) / 2)
    assert found == transfer.transfer_scores(None, 0, data=data)
    with pytest.raises(UserError, match="attribute 'domain'"):
        transfer.transfer_scores(None, 0, data=digits)
    with pytest.raises(UserError, match="takes 8 x 8 pixels"):
        transfer.transfer_scores(method, 0, data=replace(data, images=data.images[:, :, :4, :4]))


@pytest.mark.slow
def test_pacs_has_its_four_domains(data_folder):
    data = transfer.transfer_data(8).select(torch.arange(0, 9991, 40))
    found = transfer.transfer_scores(None, 0, data=data)
    assert found.keys() == {f"accuracy {d}" for d in ("photo", "art_painting", "cartoon", "sketch", "mean")}
