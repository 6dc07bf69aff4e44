"""Tokens of a data set are computed once: what a cache holds, and when it is made anew."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import torch

from training_data import short_gpt_training as short_training
from training_data import tokenizer, write_pictures
from vqgan_transformer import CoordinatesCondition, Unconditional
from vqgan_transformer.training import samples as token_samples
from vqgan_transformer.training import token_cache
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.loop import make_accelerator
from vqgan_transformer.training.objective import unigram_nats
from vqgan_transformer.training.samples import Samples

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16}


def cached(tmp_path, vqgan, training=None, condition=None, folder="tokens", variants=2):
    training, condition = training or short_training(), condition or Unconditional()
    samples = Samples(open_data(tmp_path / "p", ("image",)), training, (condition,), variants=variants)
    config = fitting_config(vqgan, condition, training, **SMALL)
    accelerator = make_accelerator(training, tmp_path)
    cache = token_cache.open_or_encode(
        tmp_path / folder, samples, vqgan, config, accelerator, variants=variants, progress=False
    )
    return cache, samples


@pytest.mark.parametrize("variants", [2, 5])  # as many as a batch has crops, and more
def test_cached_tokens_are_those_of_the_crops(variants, tmp_path):
    write_pictures(tmp_path / "p", 5)
    cache, samples = cached(tmp_path, vqgan := tokenizer(), variants=variants)
    assert len(cache) == 5
    for epoch in range(7):
        expected = vqgan.encode(samples[epoch % variants, 3]["image"][None])[0]
        assert torch.equal(cache[epoch, 3]["tokens"], expected)
    assert not np.array_equal(cache.tokens[0], cache.tokens[1])


def test_each_picture_is_opened_once_for_all_its_crops(tmp_path, monkeypatch):
    write_pictures(tmp_path / "p", 5)
    opened = []
    open_picture = token_samples.open_picture
    monkeypatch.setattr(token_samples, "open_picture", lambda *rest: opened.append(rest[0]) or open_picture(*rest))
    cached(tmp_path, tokenizer())
    assert len(opened) == 5 + 1, "and one more to see what arrays are needed"


def test_a_worker_is_sent_where_a_cache_is_and_not_what_it_holds(tmp_path):
    write_pictures(tmp_path / "p", 40)
    cache, _ = cached(tmp_path, tokenizer())
    sent = pickle.dumps(cache)
    assert len(sent) < 500 < cache.tokens.nbytes
    assert torch.equal(pickle.loads(sent)[1, 3]["tokens"], cache[1, 3]["tokens"])


def test_a_cache_is_used_again_until_something_changes(tmp_path, monkeypatch):
    write_pictures(tmp_path / "p", 4)
    encoded = []
    original = token_cache._encode
    monkeypatch.setattr(token_cache, "_encode", lambda *rest: encoded.append(1) or original(*rest))
    vqgan = tokenizer()

    def times(**options):
        encoded.clear()
        cached(tmp_path, options.pop("vqgan", vqgan), **options)
        return len(encoded)

    assert times() == 1 and times() == 0
    assert times(vqgan=tokenizer(seed=1)) == 1, "other weights"
    assert times() == 1
    assert times(training=short_training(flip=False)) == 1, "other crops"
    assert times() == 1
    assert times(condition=CoordinatesCondition(16, downsample_factor=4)) == 1, "another condition"
    assert times() == 1
    assert times(training=short_training(learning_rate=0.5, max_steps=3)) == 0, "what tokens do not depend on"
    write_pictures(tmp_path / "p", 5)
    assert times() == 1, "other files"


def test_unigram_nats_are_what_frequencies_alone_give():
    training = np.array([0] * 6 + [1] * 2)
    assert unigram_nats(training, np.array([0, 1]), 2) == pytest.approx(-(math.log(7 / 10) + math.log(3 / 10)) / 2)
