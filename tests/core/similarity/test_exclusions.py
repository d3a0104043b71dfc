"""Excluded pairs land in the tile and at the place where the whole matrix has them."""

import pytest
import torch

from core.similarity.exclusions import TileExclusions, is_symmetric


@pytest.mark.parametrize("tile", [1, 3, 4, 7, 50])
def test_every_pair_is_overwritten_and_nothing_else(generator, tile):
    rows, columns = 11, 7
    exclude = torch.randint(-1, columns, (rows, 3), generator=generator)
    expected = torch.zeros(rows, columns)
    for i, named in enumerate(exclude.tolist()):
        for j in named:
            if j >= 0:
                expected[i, j] = -torch.inf
    excluded = TileExclusions(exclude, columns, tile)
    actual = torch.zeros(rows, columns)
    for down, first in enumerate(range(0, rows, tile)):
        for right, left in enumerate(range(0, columns, tile)):
            block = actual[first : first + tile, left : left + tile].contiguous()
            excluded.fill(block, down, right, -torch.inf)
            actual[first : first + tile, left : left + tile] = block
    assert torch.equal(actual, expected)


def test_nothing_to_overwrite():
    block = torch.ones(2, 2)
    TileExclusions(None, 2, 2).fill(block, 0, 0, 5.0)
    TileExclusions(torch.full((2, 1), -1), 2, 2).fill(block, 0, 0, 5.0)
    assert torch.equal(block, torch.ones(2, 2))


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        ([[0], [1], [2]], True),
        ([[1], [0], [-1]], True),
        ([[1], [2], [0]], False),
        ([[0, 1], [1, 0], [2, -1]], True),
        ([[0, 1], [1, -1], [2, -1]], False),
    ],
)
def test_symmetry(exclude, expected):
    assert is_symmetric(torch.tensor(exclude)) is expected
