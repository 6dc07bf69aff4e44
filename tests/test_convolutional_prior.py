"""The prior that benchmarks/paper compares the GPT with: it sees all that comes before a token, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent.parent / "benchmarks" / "paper"))

from convolutional_prior import ConvolutionalPrior


@pytest.mark.parametrize("attention", [False, True])
def test_a_token_changes_the_logits_of_later_places_only(attention):
    torch.manual_seed(0)
    prior = ConvolutionalPrior(20, 8, 3, labels=5, attention=attention).eval()
    tokens, labels = torch.randint(20, (1, 16, 16)), torch.randint(5, (1, 16, 16))
    with torch.no_grad():
        before = prior(tokens, labels)
        for row, column in [(0, 0), (3, 0), (7, 8), (9, 15)]:
            changed = tokens.clone()
            changed[0, row, column] = (changed[0, row, column] + 1) % 20
            moved = (prior(changed, labels) != before).any(-1)[0].flatten()
            place = 16 * row + column
            assert not moved[: place + 1].any()
            assert moved[place + 16] and (column == 15 or moved[place + 1])  # its neighbours see it
            assert not attention or moved[place + 1 :].all()
