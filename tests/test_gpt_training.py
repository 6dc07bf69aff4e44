"""Training a GPT: tokens once, noise that belongs to samples, and every kind of condition."""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from training_data import picture, tokenizer, write_pictures, write_scenes
from training_data import short_gpt_training as short_training
from vqgan_transformer import (
    ClassCondition,
    CondGPT,
    CondGPTConfig,
    CoordinatesCondition,
    DepthCondition,
    ImageCondition,
    ImageSynthesisPipeline,
    KeypointsCondition,
    LayoutCondition,
    SegmentationCondition,
    Unconditional,
    slots,
    train_cond_gpt,
)
from vqgan_transformer.gpt import ConditionInput
from vqgan_transformer.images import to_numpy
from vqgan_transformer.training import token_cache
from vqgan_transformer.training.callbacks import Callbacks
from vqgan_transformer.training.conditioning import condition_inputs, known_tokens, read_by
from vqgan_transformer.training.data import open_data
from vqgan_transformer.training.gpt_parts import parts_of_a_run
from vqgan_transformer.training.gpt_training import GPTTrainer, NoisySamples, fitting_config
from vqgan_transformer.training.known_areas import random_known_area
from vqgan_transformer.training.loop import make_accelerator
from vqgan_transformer.training.objective import TrueTokens
from vqgan_transformer.training.sample_dropout import SampleDropout
from vqgan_transformer.training.samples import Samples
from vqgan_transformer.training.structured_tables import StructuredTables

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16}


def cond_gpt(**changes) -> CondGPT:
    torch.manual_seed(0)
    return CondGPT(
        CondGPTConfig(**{"vocab_size": 17, "block_size": 16, "window": (4, 4), "null_token": 16, **SMALL, **changes})
    )


# ---------------------------------------------------------------- the algorithm


def test_steps_are_those_of_a_straightforward_implementation(tmp_path):
    training = short_training(weight_decay=0.1, condition_dropout=0.5)
    gpt, twin = cond_gpt().double(), cond_gpt().double()
    optimizer = torch.optim.AdamW(twin.parameter_groups(0.1), lr=1e-3, betas=(0.9, 0.95))
    trainer = GPTTrainer(
        gpt, tokenizer(), [ClassCondition(number_of_classes=3)], training, make_accelerator(training, tmp_path), []
    )
    for step in range(4):
        tokens, read, classes = torch.randint(16, (2, 4, 4)), torch.randint(16, (2, 4, 4)), torch.randint(3, (2, 1))
        keep, dropped = torch.rand(2, 4, 4) < 0.7, torch.tensor([[False], [step % 2 == 0]])
        batch = {"tokens": tokens, "class_label": classes, "keep": keep, "replacement": read, "dropped": dropped}
        loss = trainer.step({**batch, "key": torch.zeros(2, dtype=torch.long)}, step)["nats"]
        condition = torch.where(dropped, 16, classes)
        expected = F.cross_entropy(twin(torch.where(keep, tokens, read), condition).flatten(0, 2), tokens.flatten())
        optimizer.zero_grad()
        expected.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    for ours, theirs in zip(gpt.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-12)


# ---------------------------------------------------------------- noise that belongs to samples


def test_noise_is_a_function_of_seed_epoch_and_index():
    class Tokens(list):
        def __getitem__(self, place):
            return {"tokens": torch.zeros(4, 4, dtype=torch.long)}

    training = short_training(pkeep=0.5, condition_dropout=0.5)
    samples = NoisySamples(Tokens(range(9)), training, cond_gpt().config, 16)
    first = samples[2, 5]
    samples[0, 0]
    assert all(torch.equal(first[name], samples[2, 5][name]) for name in first)
    many = [samples[epoch, index] for epoch in range(12) for index in range(9)]
    assert sum(bool(one["dropped"]) for one in many) / len(many) == pytest.approx(0.5, abs=0.15)
    assert torch.stack([one["keep"] for one in many]).float().mean() == pytest.approx(0.5, abs=0.05)
    assert len({int(one["key"]) for one in many}) == len(many)
    assert all(0 <= one["replacement"].min() and one["replacement"].max() < 16 for one in many)


def test_dropout_belongs_to_samples_not_to_batches():
    model = torch.nn.Sequential(torch.nn.Dropout(0.25), torch.nn.Dropout(0.25))
    dropout, x = SampleDropout(model), torch.ones(4, 3000)
    dropout.keys = torch.tensor([5, 6, 7, 8])
    whole = model(x)
    dropout.keys = torch.tensor([7, 5])
    assert torch.equal(model(x[:2]), whole[[2, 0]])
    assert not torch.equal(whole[0], whole[1])
    assert (whole == 0).float().mean() == pytest.approx(1 - 0.75**2, abs=0.02)
    assert whole.mean() == pytest.approx(1, abs=0.03) and whole.max() == pytest.approx(1 / 0.75**2)
    model.eval()
    assert torch.equal(model(x), x)


def test_no_condition_at_all_is_no_input_of_an_aligned_gpt():
    conditions = (SegmentationCondition(labels=("a", "b")), DepthCondition(), Unconditional())
    assert [part.name for part in condition_inputs(conditions)] == ["segmentation", "depth"]


def test_a_kind_that_only_has_tokens_is_refused_by_an_aligned_gpt():
    class OnlyTokens(LayoutCondition):
        aligned_input = None

    with pytest.raises(ValueError, match="layout has no aligned form"):
        condition_inputs([OnlyTokens(labels=("cat",))])


def test_aligned_gpts_learn_from_maps(tmp_path):
    scenes = write_scenes(tmp_path / "s")
    places = CoordinatesCondition(None, downsample_factor=4)
    conditions = (SegmentationCondition(labels=("a", "b", "c")), DepthCondition(), places)
    training = short_training(condition_dropout=0.3, structured_tables=True)
    vqgan = tokenizer()
    config = fitting_config(vqgan, conditions, training, conditioning="aligned", **SMALL)
    samples = Samples(open_data(scenes, ("image", "segmentation", "depth")), training, conditions, variants=1)
    accelerator = make_accelerator(training, tmp_path)
    cache = token_cache.open_or_encode(tmp_path / "t", samples, vqgan, config, accelerator, variants=1, progress=False)
    torch.manual_seed(0)
    trainer = GPTTrainer(CondGPT(config), vqgan, conditions, training, accelerator, cache, cache)
    noisy = NoisySamples(cache, training, config, 16)
    before = trainer.validate()["nats"]
    for step in range(8):
        batch = [noisy[step, index] for index in range(4)]
        trainer.step({name: torch.stack([one[name] for one in batch]) for name in batch[0]}, step)
    assert trainer.validate()["nats"] < before
    assert trainer.picture().width == 5 * (16 + 4), "picture, three conditions, sample"
    tokens, found = trainer.tokens({name: value[None] for name, value in cache[0, 0].items()})
    assert torch.allclose(
        trainer.gpt()(tokens, read_by(config, found)), trainer.average.module(tokens, found), atol=1e-5
    )


def test_kinds_of_an_aligned_gpt_are_dropped_together_and_each_by_itself():
    conditions = (SegmentationCondition(labels=("a", "b")), DepthCondition())
    training = short_training(condition_dropout=0.2, kind_dropout=0.4)
    config = fitting_config(tokenizer(), conditions, training, conditioning="aligned", **SMALL)
    noisy = NoisySamples(defaultdict(dict), training, config, 16)
    dropped = torch.stack([noisy[0, index]["dropped"] for index in range(500)]).double()
    assert dropped.mean(0).tolist() == pytest.approx([0.2 + 0.8 * 0.4] * 2, abs=0.07)
    assert dropped.prod(1).mean().item() == pytest.approx(0.2 + 0.8 * 0.16, abs=0.06)


def test_each_kind_can_have_a_dropout_of_its_own():
    conditions = (SegmentationCondition(labels=("a", "b")), DepthCondition())
    training = short_training(kind_dropout={"depth": 0.6})
    config = fitting_config(tokenizer(), conditions, training, conditioning="aligned", **SMALL)
    noisy = NoisySamples(defaultdict(dict), training, config, 16)
    dropped = torch.stack([noisy[0, index]["dropped"] for index in range(500)]).double()
    assert dropped.mean(0).tolist() == pytest.approx([0, 0.6], abs=0.07)
    with pytest.raises(ValueError, match="kind_dropout names 'deepness', but the kinds are segmentation, depth"):
        parts_of_a_run(tokenizer(), conditions, config, None, short_training(kind_dropout={"deepness": 0.5}))
    with pytest.raises(ValueError, match=r"kind_dropout\['depth'\] must lie in \[0, 1\), got 1.5"):
        short_training(kind_dropout={"depth": 1.5})


@pytest.mark.parametrize("rates", [0.4, {"depth": 0.4}])
def test_coordinates_are_never_dropped(rates):
    conditions = (DepthCondition(), CoordinatesCondition(None, downsample_factor=4))
    training = short_training(condition_dropout=0.2, kind_dropout=rates)
    config = fitting_config(tokenizer(), conditions, training, conditioning="aligned", **SMALL)
    noisy = NoisySamples(defaultdict(dict), training, config, 16)
    dropped = torch.stack([noisy[0, index]["dropped"] for index in range(500)]).double()
    assert dropped.mean(0).tolist() == pytest.approx([0.2 + 0.8 * 0.4, 0], abs=0.07)


def test_a_gpt_reads_coordinates_in_as_many_waves_as_they_say():
    conditions = (CoordinatesCondition(None, downsample_factor=4, octaves=3),)
    config = fitting_config(tokenizer(), conditions, short_training(), conditioning="aligned", **SMALL)
    assert config.conditions[0] == ConditionInput("coordinates", "values", 2, octaves=3, always_known=True)
    with pytest.raises(ValueError, match="octaves are for codebook_size=None, from 0 to 16; got 3"):
        CoordinatesCondition(256, octaves=3)


def test_known_areas_are_none_all_but_a_hole_or_a_part():
    shares = np.array([random_known_area(np.random.default_rng(seed), (8, 12)).mean() for seed in range(400)])
    assert np.mean(shares == 0) == pytest.approx(0.5, abs=0.1)
    assert np.mean(shares > 0.5) > 0.15
    assert np.mean((shares > 0) & (shares < 0.5)) > 0.1


def test_aligned_gpts_learn_to_complete_and_only_what_is_not_known_counts(tmp_path):
    conditions = (DepthCondition(),)
    training = short_training()
    config = fitting_config(tokenizer(), conditions, training, conditioning="aligned", **SMALL)
    assert [part.name for part in config.conditions] == ["depth", "known"]
    tokens = torch.arange(16).view(1, 4, 4)
    known = torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(known_tokens(config, tokens, known)["known"], tokens.where(known, -1))
    logits = torch.randn(1, 4, 4, 16)
    nats = TrueTokens().loss(logits, tokens, tokens, {}, known)
    assert torch.allclose(nats, F.cross_entropy(logits[~known], tokens[~known]))


# ---------------------------------------------------------------- structured tables


@pytest.mark.parametrize("changes", [{}, {"condition_vocab_size": 20}], ids=["one table", "two tables"])
def test_structured_tables_fold_into_ordinary_ones(changes):
    gpt = cond_gpt(block_size=32, **changes).double()
    tables = StructuredTables(gpt, torch.randn(16, 4), torch.randn(16, 4), same_grid=True)
    tokens, condition = torch.randint(16, (2, 4, 4)), torch.randint(16, (2, 4, 4))
    folded = tables.fold()
    torch.testing.assert_close(folded(tokens, condition), tables(tokens, condition), rtol=1e-9, atol=1e-9)
    assert {type(module) for module in folded.children()} == {type(module) for module in cond_gpt().children()}


# ---------------------------------------------------------------- the way in


@pytest.mark.parametrize(
    "kind", ["none", "class_label", "coordinates", "segmentation", "depth", "keypoints", "condition_image"]
)
def test_every_kind_of_condition_trains(kind, tmp_path):
    scenes = write_scenes(tmp_path / "s", 6) if kind != "class_label" else tmp_path / "s"
    if kind == "class_label":
        write_pictures(scenes / "cats", 3)
        write_pictures(scenes / "dogs", 3)
    condition = {
        "none": lambda: None,
        "class_label": lambda: ClassCondition(labels=("cats", "dogs")),
        "coordinates": lambda: CoordinatesCondition(16, downsample_factor=4),
        "segmentation": lambda: SegmentationCondition(labels=("a", "b", "c"), vqgan=tokenizer(3)),
        "depth": lambda: DepthCondition(vqgan=tokenizer(1)),
        "keypoints": lambda: KeypointsCondition(vqgan=tokenizer(3)),
        "condition_image": lambda: ImageCondition(vqgan=tokenizer(3)),
    }[kind]()
    if kind == "condition_image":
        (scenes / "segmentations").rename(scenes / "condition_images")
    training = short_training(max_steps=2, condition_dropout=0.2, pkeep=0.9, picture_every=2, validate_every=2)
    vqgan = tokenizer()
    config = fitting_config(vqgan, condition, training, **SMALL)
    pipe = train_cond_gpt(
        scenes, tmp_path / "run", vqgan=vqgan, condition=condition, config=config, training=training, progress=False
    )
    assert pipe.conditions[0].name == {"none": "unconditional"}.get(kind, kind)
    assert (tmp_path / "run/pictures/step_00000002.png").exists() and (tmp_path / "run/curves.png").exists()
    again = ImageSynthesisPipeline.from_pretrained(tmp_path / "run")
    assert all(torch.equal(a, b) for a, b in zip(pipe.gpt.parameters(), again.gpt.parameters(), strict=True))


@pytest.mark.parametrize("conditioning", ["prefix", "aligned"])
def test_pictures_are_learned_from_pictures(conditioning, tmp_path):
    write_pictures(tmp_path / "p/images", 8)
    (tmp_path / "p/condition_images").mkdir()
    for number in range(8):
        edges = np.abs(np.diff(picture(number).mean(-1), axis=1, prepend=0)).clip(0, 255).astype(np.uint8)
        Image.fromarray(edges).save(tmp_path / f"p/condition_images/{number}.png")
    vqgan, training = tokenizer(), short_training(condition_dropout=0.1)
    condition = ImageCondition(channels=1, vqgan=tokenizer(1) if conditioning == "prefix" else None)
    form = {"conditioning": "aligned", "condition_width": 8} if conditioning == "aligned" else {}
    config = fitting_config(vqgan, condition, training, **form, **SMALL)
    train_cond_gpt(
        tmp_path / "p", tmp_path / "run", vqgan=vqgan, condition=condition, config=config, training=training, progress=False
    )  # fmt: skip
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path / "run")
    edges = Image.open(tmp_path / "p/condition_images/3.png")
    assert pipe(condition_image=edges, seed=1, progress=False).images[0].size == (32, 24)


def test_an_aligned_pipeline_follows_several_kinds_from_its_run_folder(tmp_path):
    scenes = write_scenes(tmp_path / "s", 8)
    names = [scenes / f"{folder}/{number}.png" for folder in ("images", "segmentations") for number in range(8)]
    rows = [
        {"file_name": str(image), "segmentation_file_name": str(labels), "class_label": ("day", "night")[number % 2]}
        for number, (image, labels) in enumerate(zip(names[:8], names[8:], strict=True))
    ]
    (scenes / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    conditions = (SegmentationCondition(labels=("a", "b", "c")), ClassCondition(labels=("day", "night")))
    vqgan = tokenizer()
    training = short_training(
        condition_dropout=0.1, structured_tables=True, ema_decay=0.5, checkpoints_total_limit=None
    )
    config = fitting_config(
        vqgan, conditions, training, conditioning="aligned", condition_width=8, attention_dropout=0.2, **SMALL
    )
    options = {"vqgan": vqgan, "condition": conditions, "config": config, "training": training, "progress": False}
    trained = train_cond_gpt(scenes, tmp_path / "run", **options)
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path / "run")
    labels = Image.open(names[8])
    both = pipe(segmentation=labels, class_label="night", seed=2, guidance_scale=2.0, progress=False).images[0]
    again = trained(segmentation=labels, class_label="night", seed=2, guidance_scale=2.0, progress=False).images[0]
    assert both.size == (32, 24) and np.array_equal(both, again)
    assert pipe(class_label="day", size=(16, 20), progress=False).images[0].size == (20, 16)
    assert pipe(segmentation=labels, progress=False).images[0].size == (32, 24)
    (tmp_path / "run/checkpoints/step_00000006").rename(tmp_path / "taken away")
    resumed = train_cond_gpt(scenes, tmp_path / "run", resume=True, **options)
    assert all(torch.equal(a, b) for a, b in zip(trained.gpt.parameters(), resumed.gpt.parameters(), strict=True))


def test_a_pipeline_is_fine_tuned_and_stays_as_it_was(tmp_path):
    pictures = [{"image": picture(number), "class_label": number % 2} for number in range(6)]
    gpt = cond_gpt().double().eval()
    init = ImageSynthesisPipeline(vqgan=tokenizer().double(), gpt=gpt, conditions=[ClassCondition(number_of_classes=2)])
    before = [parameter.clone() for parameter in gpt.parameters()]
    training = short_training(learning_rate=0.0)
    same = train_cond_gpt(pictures, tmp_path / "still", init=init, training=training, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(same.gpt.parameters(), before, strict=True))
    tuned = train_cond_gpt(
        pictures, tmp_path / "tuned", init=init, training=training.but(learning_rate=1e-3), progress=False
    )
    assert not torch.equal(tuned.gpt.head.weight, before[-1])
    assert all(torch.equal(a, b) for a, b in zip(gpt.parameters(), before, strict=True))


def test_resuming_gives_the_same_bits_with_and_without_cached_tokens(tmp_path):
    pictures = write_pictures(tmp_path / "p", 6)
    for variants in (2, 0):
        training = short_training(
            token_variants=variants, structured_tables=True, ema_decay=0.9, optimizer="muon", pkeep=0.8, checkpoints_total_limit=None
        )  # fmt: skip
        vqgan, run = tokenizer(), tmp_path / f"run{variants}"
        options = {"vqgan": vqgan, "training": training, "progress": False}
        options["config"] = fitting_config(vqgan, Unconditional(), training, residual_dropout=0.2, **SMALL)
        whole = train_cond_gpt(pictures, run, **options)
        checkpoint = run / "checkpoints/step_00000006"
        checkpoint.rename(run / "taken away")
        resumed = train_cond_gpt(pictures, run, resume=True, **options)
        assert all(torch.equal(a, b) for a, b in zip(whole.gpt.parameters(), resumed.gpt.parameters(), strict=True))


def test_what_does_not_fit_is_refused_before_training(tmp_path):
    pictures = write_pictures(tmp_path / "p", 4)
    with pytest.raises(ValueError, match="needs vqgan="):
        train_cond_gpt(pictures, tmp_path / "r", training=short_training())
    vqgan, training = tokenizer(), short_training()
    with pytest.raises(ValueError, match=r"window is 2×2: pass crop_size=\(8, 8\)"):
        config = fitting_config(vqgan, Unconditional(), training.but(crop_size=8), **SMALL)
        train_cond_gpt(pictures, tmp_path / "r", vqgan=vqgan, config=config, training=training)
    with pytest.raises(ValueError, match="null_token"):
        config = fitting_config(vqgan, Unconditional(), training, **SMALL)
        train_cond_gpt(
            pictures, tmp_path / "r", vqgan=vqgan, config=config, training=training.but(condition_dropout=0.1)
        )
    assert not (tmp_path / "r").exists()


# ---------------------------------------------------------------- samples measured on the way


def test_samples_are_measured_on_the_way_always_the_same_ones(tmp_path, monkeypatch):
    calls, steps = [], []

    def measure(samples, reference):
        calls.append((np.stack(samples), np.stack(reference)))
        return {"fid": float(len(calls))}

    monkeypatch.setattr(slots.sample_evaluation, "_load", lambda: lambda inception, device: measure)
    data = write_pictures(tmp_path / "pictures", 12)
    recipe = short_training(max_steps=5, evaluate_every=2, evaluate_samples=6, validation_share=0.5, learning_rate=0.0)
    vqgan = tokenizer()
    train_cond_gpt(
        data, tmp_path / "run", vqgan=vqgan, config=cond_gpt(block_size=17, null_token=None).config, training=recipe,
        progress=False, callbacks=Callbacks(on_step=lambda step, scalars: steps.append(step)),
    )  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["samples_fid"]) for line in lines if "samples_fid" in line] == [(2, 1), (4, 2), (5, 3)]
    assert steps == [1, 2, 3, 4, 5]
    assert all(np.array_equal(*pair) for pair in zip(calls[0], calls[2], strict=True))  # nothing was learned
    assert calls[0][0].shape == calls[0][1].shape == (6, 16, 16, 3)
    crops = Samples(open_data(data, ("image",)), recipe)
    with torch.no_grad():
        copies = [to_numpy(vqgan.decode(vqgan.encode(crops[-1, k]["image"][None]))).tobytes() for k in range(12)]
    assert all(row.tobytes() in copies for row in calls[0][1])  # held-out pictures, as the tokenizer gives them back


def test_what_measures_samples_is_there_before_a_run_begins(tmp_path, monkeypatch):
    def missing(inception, device):
        raise RuntimeError(f"the weights {inception} are not here")

    monkeypatch.setattr(slots.sample_evaluation, "_load", lambda: missing)
    data, shared = write_pictures(tmp_path / "pictures", 12), {"vqgan": tokenizer(), "progress": False}
    recipe = short_training(evaluate_every=2, evaluate_inception="inception.pth", validation_share=0.5)
    with pytest.raises(RuntimeError, match=r"the weights inception\.pth are not here"):
        train_cond_gpt(data, tmp_path / "run", training=recipe, **shared)
    with pytest.raises(ValueError, match="needs 5 held-out samples, there are 1"):
        train_cond_gpt(data, tmp_path / "other", training=recipe.but(validation_share=0.1), **shared)
    with pytest.raises(ValueError, match="evaluate_every"):
        recipe.but(evaluate_every=0)
