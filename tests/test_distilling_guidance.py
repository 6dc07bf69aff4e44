"""Guidance in one pass: a GPT learns the logits that another has under guidance."""

from __future__ import annotations

import json

import pytest
import torch

from training_data import picture, short_gpt_training, tokenizer
from vqgan_transformer import (
    ClassCondition,
    CondGPT,
    CondGPTConfig,
    CoordinatesCondition,
    DepthCondition,
    ImageSynthesisPipeline,
    SlidingWindowSampler,
    Unconditional,
    train_cond_gpt,
)
from vqgan_transformer.sampler.config import SamplerConfig
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.objective import GuidedTeacher

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16}
TEACHER = SlidingWindowSampler(guidance_scale=3.0, condition_strength={"class_label": 1.5})


def aligned(*conditions, seed=0, **changes) -> CondGPT:
    """A GPT whose conditions matter, though it has learnt nothing."""
    config = fitting_config(tokenizer(), conditions, short_gpt_training(), conditioning="aligned", **SMALL, **changes)
    torch.manual_seed(seed)
    gpt = CondGPT(config).double().eval()
    for name, parameter in gpt.named_parameters():
        if ".readers.class" in name or ".injections." in name or "head" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return gpt


def by_class(sampler: SlidingWindowSampler = TEACHER, seed: int = 0) -> ImageSynthesisPipeline:
    classes = ClassCondition(number_of_classes=2)
    return ImageSynthesisPipeline(tokenizer().double(), aligned(classes, seed=seed), sampler, [classes])


def pictures() -> list[dict]:
    return [{"image": picture(number), "class_label": number % 2} for number in range(8)]


def test_the_teacher_moves_away_from_what_it_says_without_conditions():
    gpt = aligned(
        DepthCondition(), ClassCondition(number_of_classes=2), CoordinatesCondition(None, downsample_factor=4)
    )
    tokens = torch.randint(16, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    places = torch.rand(2, 2, 16, 16, dtype=torch.float64)
    given = {
        "depth": torch.rand(2, 1, 16, 16, dtype=torch.float64), "class_label": torch.tensor([0, 1]), "coordinates": places,
    }  # fmt: skip
    strength = {"depth": 1.25}
    teacher = GuidedTeacher(gpt, SamplerConfig(guidance_scale=2.5, condition_strength=strength))
    with torch.no_grad():
        rich = gpt(tokens, given, strength=strength)
        poor = gpt(tokens, {"coordinates": places}, strength=strength)  # which are always known
    expected = poor + 2.5 * (rich - poor)
    torch.testing.assert_close(teacher.logits(tokens, given), expected, rtol=1e-9, atol=1e-9)

    # the loss is the Kullback–Leibler divergence, of places that are not known
    logits, known = torch.randn(2, 4, 4, 16, dtype=torch.float64), torch.rand(2, 4, 4) < 0.5
    probabilities = expected.softmax(-1)
    apart = (probabilities * (probabilities.log() - logits.log_softmax(-1))).sum(-1)
    torch.testing.assert_close(teacher.loss(logits, tokens, tokens, given), apart.mean(), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(teacher.loss(logits, tokens, tokens, given, known), apart[~known].mean())


def test_a_teacher_of_the_papers_form_is_compared_with_its_null_token():
    config = CondGPTConfig(vocab_size=17, block_size=16, window=(4, 4), null_token=16, **SMALL)
    torch.manual_seed(0)
    gpt, tokens = CondGPT(config).double().eval(), torch.randint(16, (2, 4, 4))
    teacher = GuidedTeacher(gpt, SamplerConfig(guidance_scale=3.0))
    with torch.no_grad():
        rich, poor = gpt(tokens, torch.tensor([[3], [5]])), gpt(tokens, torch.full((2, 1), 16))
    torch.testing.assert_close(teacher.logits(tokens, torch.tensor([[3], [5]])), poor + 3 * (rich - poor))


@pytest.mark.parametrize(
    ("scale", "moves"),
    [
        (4.0, {}),  # what it has learnt, in one pass
        (1.0, {"depth class_label": 1 / 4}),  # none: back to a fourth of the way
        (6.0, {"depth class_label": 6 / 4}),
        ({}, {"depth class_label": 1 / 4}),
        ({"class_label": 3.0}, {"depth class_label": 1 / 4, "class_label": 1 + 2 / 4}),
    ],
)
def test_a_scale_means_the_same_for_a_gpt_that_has_guidance_in_its_weights(scale, moves):
    gpt = aligned(DepthCondition(), ClassCondition(number_of_classes=2), guidance=4.0)
    condition = {"depth": torch.rand(1, 1, 16, 16, dtype=torch.float64), "class_label": torch.tensor([1])}
    tokens = torch.randint(16, (1, 4, 4), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        learnt = logits = gpt(tokens, condition)
        for dropped, ratio in moves.items():
            without = {name: value for name, value in condition.items() if name not in dropped.split()}
            logits = logits + (ratio - 1) * (learnt - gpt(tokens, without))
    expected = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    sampler = SlidingWindowSampler(guidance_scale=scale)
    torch.testing.assert_close(sampler.token_log_likelihood(gpt, condition, tokens), expected)


def test_a_scale_means_the_same_in_the_papers_form():
    config = CondGPTConfig(vocab_size=17, block_size=16, window=(4, 4), null_token=16, guidance=4.0, **SMALL)
    torch.manual_seed(0)
    gpt, tokens, condition = CondGPT(config).double().eval(), torch.randint(16, (1, 4, 4)), torch.tensor([[3]])
    with torch.no_grad():
        learnt, without = gpt(tokens, condition), gpt(tokens, torch.tensor([[16]]))
    for scale, ratio in ((4.0, 1.0), (1.0, 1 / 4), (6.0, 6 / 4)):
        logits = without + ratio * (learnt - without)
        expected = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        sampler = SlidingWindowSampler(guidance_scale=scale)
        torch.testing.assert_close(sampler.token_log_likelihood(gpt, condition, tokens), expected)


def test_guidance_in_the_weights_does_not_grow_and_is_a_positive_number():
    gpt, classes = aligned(ClassCondition(number_of_classes=2), guidance=2.0), {"class_label": torch.tensor([1])}
    with pytest.raises(ValueError, match="has it in its weights: pass guidance_schedule=None"):
        SlidingWindowSampler(guidance_schedule=1.0)(gpt, classes, (4, 4))
    with pytest.raises(ValueError, match="guidance must be a positive number, got 0"):
        CondGPTConfig(vocab_size=17, block_size=16, window=(4, 4), guidance=0)


def test_one_pass_says_what_two_did(tmp_path):
    init = by_class()
    before = [parameter.clone() for parameter in init.gpt.parameters()]
    recipe = short_gpt_training(
        distill_guidance=True, max_steps=200, batch_size=8, learning_rate=3e-3, schedule="cosine", condition_dropout=0.2,
        validate_every=100, picture_every=200, checkpoint_every=200,
    )  # fmt: skip
    student = train_cond_gpt(
        pictures(), tmp_path / "run", init=init, training=recipe, validation=pictures(), progress=False
    )
    assert all(torch.equal(*pair) for pair in zip(before, init.gpt.parameters(), strict=True))
    assert student.gpt.config.guidance == student.sampler.config.guidance_scale == 3.0
    assert not student.sampler.config.condition_strength

    teacher = GuidedTeacher(init.gpt, init.sampler.config)
    crops = torch.stack([torch.from_numpy(picture(number)[4:20, 4:20]) for number in range(4)])
    tokens = init.vqgan.encode(crops.double().permute(0, 3, 1, 2) / 127.5 - 1)  # (B, H, W, 3) -> (B, 3, H, W)
    condition = {"class_label": torch.tensor([0, 1, 0, 1])}
    unknown = {"class_label": torch.full((4,), -1)}
    with torch.no_grad():
        ours, theirs = (gpt.double()(tokens, condition) for gpt in (student.gpt, init.gpt))
        plain = student.gpt(tokens, unknown)  # what guidance goes on comparing with
        torch.testing.assert_close(teacher.logits(tokens, unknown), init.gpt(tokens, unknown))
    before = teacher.loss(theirs, tokens, tokens, condition)
    assert teacher.loss(ours, tokens, tokens, condition) < 0.25 * before
    assert teacher.loss(plain, tokens, tokens, unknown) < 0.25 * before
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "validation_nats" in line]
    assert validated[0]["step"] == 100  # what has learnt nothing is not guided, and never the best
    assert validated[-1]["validation_nats"] < 0.25 * before and "validation_unigram_nats" not in validated[-1]


def test_what_learns_from_true_tokens_again_has_no_guidance_of_its_own(tmp_path):
    recipe = short_gpt_training(distill_guidance=True)
    student = train_cond_gpt(pictures(), tmp_path / "run", init=by_class(), training=recipe, progress=False)
    with pytest.raises(ValueError, match="which its GPT does in one pass already"):
        train_cond_gpt(pictures(), tmp_path / "again", init=student, training=recipe, progress=False)
    plain = recipe.but(distill_guidance=False)
    tuned = train_cond_gpt(pictures(), tmp_path / "tuned", init=student, training=plain, progress=False)
    assert tuned.gpt.config.guidance == tuned.sampler.config.guidance_scale == 1.0


def test_a_run_goes_on_with_the_same_teacher(tmp_path):
    options = {"init": by_class(), "training": short_gpt_training(distill_guidance=True), "progress": False}
    whole = train_cond_gpt(pictures(), tmp_path / "run", **options)
    (tmp_path / "run/checkpoints/step_00000006").rename(tmp_path / "taken away")
    resumed = train_cond_gpt(pictures(), tmp_path / "run", resume=True, **options)
    assert all(torch.equal(*pair) for pair in zip(whole.gpt.parameters(), resumed.gpt.parameters(), strict=True))


def test_a_run_does_not_go_on_with_another_teacher(tmp_path):
    options = {"training": short_gpt_training(distill_guidance=True), "progress": False}
    train_cond_gpt(pictures(), tmp_path / "run", init=by_class(), **options)
    (tmp_path / "run/checkpoints/step_00000006").rename(tmp_path / "taken away")
    for teacher in (by_class(TEACHER.with_settings(guidance_scale=9.0)), by_class(seed=1)):
        with pytest.raises(ValueError, match=r"goes on as it began.*teacher \(was"):
            train_cond_gpt(pictures(), tmp_path / "run", init=teacher, resume=True, **options)


def test_what_cannot_teach_is_refused_before_a_run_begins(tmp_path):
    recipe = short_gpt_training(distill_guidance=True)
    shared = {"training": recipe, "progress": False}
    with pytest.raises(ValueError, match="pass init="):
        train_cond_gpt(pictures(), tmp_path / "run", vqgan=tokenizer(), **shared)
    with pytest.raises(ValueError, match=r"nothing to learn.*guidance_scale=1.*with_settings\(guidance_scale=2.0\)"):
        train_cond_gpt(pictures(), tmp_path / "run", init=by_class(SlidingWindowSampler()), **shared)
    for settings in ({"guidance_scale": {"class_label": 2.0}}, {"guidance_scale": 0.0}, {"guidance_schedule": 1.0}):
        with pytest.raises(ValueError, match="teaches one guidance_scale above 0"):
            train_cond_gpt(pictures(), tmp_path / "run", init=by_class(TEACHER.with_settings(**settings)), **shared)
    with pytest.raises(ValueError, match="condition_strength names 'clas_label'"):
        wrong = TEACHER.with_settings(condition_strength={"clas_label": 1.5})
        train_cond_gpt(pictures(), tmp_path / "run", init=by_class(wrong), **shared)
    with pytest.raises(ValueError, match="makes other tokens"):
        train_cond_gpt(pictures(), tmp_path / "run", init=by_class(), vqgan=tokenizer(seed=3), **shared)
    with pytest.raises(ValueError, match="distill_guidance is True or False, got 'no'"):
        short_gpt_training(distill_guidance="no")
    config = fitting_config(tokenizer(), Unconditional(), short_gpt_training(), **SMALL)
    plain = ImageSynthesisPipeline(
        tokenizer(), CondGPT(config), TEACHER.with_settings(condition_strength={}), [Unconditional()]
    )
    with pytest.raises(ValueError, match="no null_token"):
        train_cond_gpt(pictures(), tmp_path / "run", init=plain, **shared)
    assert not (tmp_path / "run").exists()
