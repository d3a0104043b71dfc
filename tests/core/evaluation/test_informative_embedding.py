"""Informative embeddings: pooling over steps that are not padding, no gradient, real decoders."""

import pytest
import torch
from torch import nn

from core.evaluation import informative_embedding


def states(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_mean_leaves_padding_out():
    hidden = states(3, 4, 5)
    mask = torch.tensor([[True, True, False, False], [True] * 4, [False, True, False, True]])
    found = informative_embedding(hidden.masked_fill(~mask[:, :, None], torch.nan), mask=mask)
    expected = torch.stack([row[keep].mean(dim=0) for row, keep in zip(hidden, mask, strict=True)])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(informative_embedding(hidden), hidden.mean(dim=1))


def test_flatten_and_states_without_steps():
    hidden = states(3, 4, 5)
    assert torch.equal(informative_embedding(hidden, pooling="flatten"), hidden.reshape(3, 20))
    assert torch.equal(informative_embedding(hidden[:, 0]), hidden[:, 0])
    assert torch.equal(informative_embedding(hidden[:, 0], pooling="flatten"), hidden[:, 0])
    assert informative_embedding(hidden.bfloat16()).dtype == torch.float32


def test_a_recurrent_decoder_under_teacher_forcing():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = nn.GRU(3, 8, batch_first=True)
    hidden, _ = decoder(states(6, 7, 3).float())
    assert hidden.requires_grad
    found = informative_embedding(hidden)
    assert found.shape == (6, 8)
    assert not found.requires_grad
    assert torch.equal(found, informative_embedding(decoder(states(6, 7, 3).float())[0]))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_named():
    hidden, mask = states(3, 4, 5), torch.ones(3, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="pooling must be one of 'mean', 'flatten', got 'max'"):
        informative_embedding(hidden, pooling="max")
    with pytest.raises(TypeError, match="mask must be boolean"):
        informative_embedding(hidden, mask=mask.long())
    with pytest.raises(ValueError, match=r"mask must have shape \(3, 4\), one entry a step, got \(3, 5\)"):
        informative_embedding(hidden, mask=torch.ones(3, 5, dtype=torch.bool))
    for given in ({"hidden": hidden, "pooling": "flatten"}, {"hidden": hidden[:, 0]}):
        with pytest.raises(ValueError, match="a mask needs pooling='mean' over steps"):
            informative_embedding(**given, mask=mask)
    mask[1:] = False
    with pytest.raises(ValueError, match=r"mask leaves no step to sample 1 \(and 1 more\)"):
        informative_embedding(hidden, mask=mask)
    with pytest.raises(ValueError, match="hidden must have 2 or 3 axes"):
        informative_embedding(hidden[None])
    with pytest.raises(TypeError, match="hidden must be a floating tensor"):
        informative_embedding(hidden.long())
