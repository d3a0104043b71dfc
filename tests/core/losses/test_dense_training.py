"""Short training runs of the dense losses on crops of real digits: pixels and regions learn to find each other."""

from functools import cache

import pytest
import torch
from torch import nn

from core.heads import PixelPropagation, ProjectionHead, RegionProjection, ReweightingHead
from core.losses import (
    DomainContrastLoss,
    LocalRegionLoss,
    NTXentLoss,
    PixContrastLoss,
    PixProLoss,
    SpectralContrastiveLoss,
    positive_pixel_mask,
)
from core.momentum import MomentumEncoder
from tests.core.digits import Digits, encoder, knn_accuracy, moved, train

SIDE = 6


@pytest.fixture(scope="module")
def digits():
    return Digits.load()


def convolutions(seed=0):
    """From (n, 8, 8) or smaller images to maps of 16 channels of the same size."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            *(nn.Unflatten(1, (1, -1)), nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 16, 1), nn.BatchNorm2d(16, affine=False)),
        )


def crops(images, draw):
    """A crop of 6 x 6 out of 8 x 8 pixels of each image, flipped for half of them and recoloured, and its box."""
    n = len(images)
    top, left = torch.randint(0, 8 - SIDE + 1, (2, n), generator=draw)
    step = torch.arange(SIDE)
    rows, columns = top[:, None] + step, left[:, None] + step
    flip = torch.rand(n, generator=draw) < 0.5
    columns = torch.where(flip[:, None], columns.flip(1), columns)
    out = images[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    box = torch.stack([left, top, left + SIDE - 1, top + SIDE - 1], dim=1) / 7
    box = torch.where(flip[:, None], box[:, [2, 1, 0, 3]], box)
    return recoloured(out, draw), box


def recoloured(images, draw):
    """Contrast and brightness of each image changed, and noise: intensity only, every pixel stays in place."""
    gain, shift = torch.rand(2, len(images), 1, 1, generator=draw)
    return images * (0.5 + gain) + shift - 0.5 + 0.1 * torch.randn(images.shape, generator=draw)


def found(first, second, mask):
    """Share of pixels with a positive whose nearest pixel of the other map is one."""
    a, b = (nn.functional.normalize(m.flatten(2), dim=1) for m in (first, second))
    nearest = torch.einsum("ncp,ncq->npq", a, b).argmax(dim=2, keepdim=True)
    return float(mask.gather(2, nearest)[mask.any(dim=2)].float().mean())


def pixel_accuracy(model, digits):
    draw = torch.Generator().manual_seed(9)
    (first, box), (second, other) = (crops(digits.test_shifted[:300], draw) for _ in range(2))
    model.eval()
    with torch.no_grad():
        return found(model(first), model(second), positive_pixel_mask(box, other, SIDE, SIDE))


@cache
def pretrained(name, *, propagate=False, forget_flips=False):
    """Online maps of each crop against momentum maps of the other; how well the pixels of test digits are found."""
    digits, loss = Digits.load(), {"pix_pro": PixProLoss(), "pix_contrast": PixContrastLoss()}[name]
    model, draw = convolutions(), torch.Generator().manual_seed(0)
    head = nn.Identity()
    if propagate:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            head = PixelPropagation(16)
    target = MomentumEncoder(model, momentum=0.9)

    def step(_):
        images = digits.images[digits.batch(64, draw)]
        (first, box), (second, other) = (crops(images, draw) for _ in range(2))
        if forget_flips:
            box, other = (
                torch.stack([b[:, 0::2].amin(1), b[:, 1], b[:, 0::2].amax(1), b[:, 3]], 1) for b in (box, other)
            )
        mask = positive_pixel_mask(box, other, SIDE, SIDE)
        target.update(model)
        k1, k2 = target(first), target(second)
        return (loss(head(model(first)), k2, mask) + loss(head(model(second)), k1, mask.mT)) / 2

    train([model, head], step, steps=120)
    return pixel_accuracy(model, digits)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pix_pro", "pix_contrast"])
def test_pixels_find_their_place(name, digits):
    """Against the untrained start, and against boxes that are not carried through the flip."""
    propagate = name == "pix_pro"
    accuracy = pretrained(name, propagate=propagate)
    assert accuracy > pixel_accuracy(convolutions(), digits) + 0.15
    assert accuracy > pretrained(name, propagate=propagate, forget_flips=True) + 0.1


@pytest.mark.slow
def test_propagation_is_worth_its_place():
    assert pretrained("pix_pro", propagate=True) > pretrained("pix_pro") + 0.03


def region_accuracy(model, head, digits):
    """Share of regions whose nearest one in the other view of the digit is itself."""
    draw = torch.Generator().manual_seed(9)
    images = digits.test_shifted[:300]
    first, second = recoloured(images, draw), recoloured(images, draw)
    model.eval()
    with torch.no_grad():
        a, b = (nn.functional.normalize(head(model(x)), dim=2) for x in (first, second))
    return float(((a @ b.mT).argmax(dim=2) == torch.arange(13)).float().mean())


@pytest.mark.parametrize("strategy", ["random", "domain"])
def test_regions_find_themselves(strategy, digits):
    """Partners are digits of the same class, in place of slices of other volumes."""
    loss, model, draw = LocalRegionLoss(strategy=strategy), convolutions(), torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = RegionProjection(16, 32)
    start = region_accuracy(model, head, digits)
    chances = (digits.labels[:, None] == digits.labels).float()

    def step(_):
        index = digits.batch(32, draw)
        first, second = (head(model(recoloured(digits.images[index], draw))) for _ in range(2))
        if strategy == "random":
            return loss(first, second)
        other = torch.multinomial(chances[index], 1, generator=draw)[:, 0]
        return loss(first, second, partners=head(model(recoloured(digits.images[other], draw)))[None])

    train([model, head], step, steps=60)
    assert region_accuracy(model, head, digits) > start + 0.15


def anatomy(digits, draw):
    """Six volumes of ten slices, one digit of each class in order: the class is the place in the body."""
    by_class = [(digits.labels == c).nonzero()[:, 0] for c in range(10)]
    index = torch.stack([rows[torch.randint(len(rows), (6,), generator=draw)] for rows in by_class], dim=1)
    return index.flatten(), torch.arange(10).repeat(6), torch.arange(6).repeat_interleave(10)


@cache
def domain_accuracy(strategy):
    digits, loss = Digits.load(), DomainContrastLoss(strategy=strategy, temperature=0.3)
    model, draw = encoder(), torch.Generator().manual_seed(0)

    def step(_):
        index, partition, volume = anatomy(digits, draw)
        return loss(torch.stack([model(moved(digits.images[index], draw)) for _ in range(2)]), partition, volume)

    train([model], step)
    return knn_accuracy(model, digits)


@pytest.mark.parametrize("strategy", ["random", "domain_negatives", "domain"])
def test_slices_learn_where_they_lie(strategy, digits):
    assert domain_accuracy(strategy) > knn_accuracy(encoder(), digits) + 0.05


def test_knowing_the_domain_helps():
    assert domain_accuracy("domain") > max(domain_accuracy("random"), domain_accuracy("domain_negatives")) + 0.1


def test_the_spectral_loss_beats_its_untrained_start(digits):
    loss, model, draw = SpectralContrastiveLoss(), encoder(), torch.Generator().manual_seed(0)

    def step(_):
        images = digits.images[digits.batch(128, draw)]
        return loss(*(model(moved(images, draw)) for _ in range(2)))

    train([model], step)
    assert knn_accuracy(model, digits) > knn_accuracy(encoder(), digits) + 0.05


@pytest.mark.parametrize("head", [ReweightingHead(16, ratio=10.0), ProjectionHead(16, layers=0)], ids=["fixed", "none"])
def test_the_fixed_head_trains_what_stands_before_it(head, digits):
    """The loss sees the weighted features, the evaluation those before; with no head both are one."""
    model, draw, loss = encoder(), torch.Generator().manual_seed(0), NTXentLoss(temperature=0.3)

    def step(_):
        images = digits.images[digits.batch(128, draw)]
        return loss(*(head(model(moved(images, draw))) for _ in range(2)))

    train([model], step)
    assert knn_accuracy(model, digits) > knn_accuracy(encoder(), digits) + 0.05
