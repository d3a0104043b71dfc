"""The shared checks: what passes, what is refused, and that the message says what to do."""

import math

import pytest
import torch

from core.checks import (
    check_at_least,
    check_choice,
    check_labels,
    check_not_negative,
    check_positive,
    check_rate,
    check_targets,
    check_temperature,
)

pytestmark = pytest.mark.usefixtures("unchecked")


def test_counts():
    check_at_least("size", 3, 3)
    with pytest.raises(ValueError, match="size must be at least 3, got 2: too few"):
        check_at_least("size", 2, 3, "too few")


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_positive_numbers(value):
    check_positive("sigma", 1e-30)
    with pytest.raises(ValueError, match=r"sigma must be finite and > 0, got .*; usual values are 0\.5"):
        check_positive("sigma", value, usual="0.5")


@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_weights(value):
    check_not_negative("weight", 0.0)
    with pytest.raises(ValueError, match="weight must be finite and >= 0, got"):
        check_not_negative("weight", value)


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, math.nan])
def test_rates(value):
    check_rate("rate", 0.0)
    check_rate("rate", 0.999)
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\)"):
        check_rate("rate", value)
    with pytest.raises(ValueError, match=r"rate must be in \(0, 1\), got 0"):
        check_rate("rate", 0.0, zero=False)


def test_choices_name_the_words_that_are_allowed():
    check_choice("norm", None, ("batch", None))
    with pytest.raises(ValueError, match="norm must be one of 'batch', None, got 'group'"):
        check_choice("norm", "group", ("batch", None))


def test_labels_and_temperature():
    check_labels(torch.arange(3), 3)
    with pytest.raises(TypeError, match=r"labels must be int64, got torch\.float32; convert them with \.long\(\)"):
        check_labels(torch.zeros(3), 3)
    check_temperature(torch.tensor(0.1, requires_grad=True))
    with pytest.raises(ValueError, match="temperature must be finite"):
        check_temperature(torch.tensor(-0.1, requires_grad=True))


def test_targets_are_one_finite_number_a_row():
    check_targets(torch.zeros(3), 3)
    check_targets(torch.zeros(3, 1, dtype=torch.float64), 3)
    with pytest.raises(TypeError, match=r"y must be a floating tensor, got torch\.int64; convert with \.float\(\)"):
        check_targets(torch.arange(3), 3, name="y")
    with pytest.raises(
        ValueError, match=r"targets must have shape \(3,\) or \(3, 1\), one number per row, got \(1, 3\)"
    ):
        check_targets(torch.zeros(1, 3), 3)
    with pytest.raises(ValueError, match=r"targets must be finite, got inf in row 1 \(2 such rows\)"):
        check_targets(torch.tensor([0.0, math.inf, -math.inf]), 3)


def test_labels_that_are_no_tensor_say_how_to_become_one():
    with pytest.raises(TypeError, match=r"got list; pass torch\.as_tensor\(labels\)"):
        check_labels([0, 1], 2)
