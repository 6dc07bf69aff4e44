"""Training both stages: `train_vqgan` in vqgan_training.py, `train_cond_gpt` in gpt_training.py."""

from __future__ import annotations

from .callbacks import Callbacks as Callbacks
from .data import open_data as open_data
from .samples import Samples as Samples
from .samples import check as check
