"""The molecule form of GraphMAE's mask and loss."""

import math

import pytest
import torch

from domains.graphs.methods.atoms import MASKED_ATOM, atom_error, draw_atoms, mask_atoms


def test_every_molecule_hides_the_floor_of_its_share_plus_one():
    sizes = [1, 2, 3, 4, 7, 8, 40]
    batch = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    for seed in range(20):
        index = draw_atoms(batch, 0.25, generator=torch.Generator().manual_seed(seed))
        assert len(index.unique()) == len(index)
        assert torch.bincount(batch[index]).tolist() == [math.floor(0.25 * n + 1) for n in sizes]


def test_every_atom_is_drawn_equally_often():
    batch = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1])
    generator = torch.Generator().manual_seed(0)
    counts = torch.zeros(12)
    for _ in range(4000):
        counts[draw_atoms(batch, 0.25, generator=generator)] += 1
    expected = torch.tensor([0.5] * 4 + [3 / 8] * 8)  # 2 of 4, 3 of 8
    assert torch.allclose(counts / 4000, expected, atol=0.04)


def test_masked_rows_change_and_no_others():
    atoms = torch.tensor([[6, 1], [7, 0], [8, 2]])
    masked = mask_atoms(atoms, torch.tensor([2, 0]))
    assert masked.tolist() == [[MASKED_ATOM, 0], [7, 0], [MASKED_ATOM, 0]]
    assert atoms.tolist() == [[6, 1], [7, 0], [8, 2]]


def test_error_against_a_plain_cosine():
    prediction = torch.randn(5, 119, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    types = torch.tensor([0, 5, 118, 5, 60])
    cosine = [float(row[t] / row.norm()) for row, t in zip(prediction, types.tolist(), strict=True)]
    for gamma in (1.0, 2.0):
        expected = sum((1 - c) ** gamma for c in cosine) / 5
        assert float(atom_error(prediction, types, gamma=gamma)) == pytest.approx(expected, rel=1e-12)


def test_a_model_learns_the_type_of_hidden_atoms_from_their_neighbours():
    """Chains in which atom types alternate: a hidden atom's type follows from the one before it."""
    generator = torch.Generator().manual_seed(0)
    starts = torch.randint(2, (64,), generator=generator)
    types = torch.stack([(starts + i) % 2 for i in range(6)], 1).flatten() + 6
    atoms = torch.stack([types, torch.zeros_like(types)], 1)
    batch = torch.arange(64).repeat_interleave(6)
    torch.manual_seed(0)
    table = torch.nn.Embedding(120, 16)
    decoder = torch.nn.Linear(32, 119)
    optimizer = torch.optim.Adam([*table.parameters(), *decoder.parameters()], lr=0.05)
    for _ in range(60):
        index = draw_atoms(batch, 0.25, generator=generator)
        h = table(mask_atoms(atoms, index)[:, 0]).reshape(64, 6, 16)
        around = torch.cat([h.roll(1, 1), h.roll(-1, 1)], 2).reshape(-1, 32)
        loss = atom_error(decoder(around[index]), types[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2


@pytest.mark.parametrize(("types", "message"), [([119], "0 .. 118"), ([-1], "0 .. 118")])
def test_types_out_of_range_are_named(types, message):
    with pytest.raises(ValueError, match=message):
        atom_error(torch.ones(1, 119), torch.tensor(types))


def test_bad_draws_are_named():
    with pytest.raises(ValueError, match="ascending"):
        draw_atoms(torch.tensor([1, 0]), 0.25, generator=torch.Generator())
    with pytest.raises(ValueError, match="rate"):
        draw_atoms(torch.tensor([0, 0]), 1.0, generator=torch.Generator())
