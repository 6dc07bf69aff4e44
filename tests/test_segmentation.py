"""Label maps: every form in which people have them, what becomes of it, and what is refused with which words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from PIL import Image

from vqgan_transformer import VQGAN, SegmentationCondition, VQGANConfig
from vqgan_transformer.conditions.label_spaces import Colour, label_space
from vqgan_transformer.conditions.palettes import paint_labels

ADE = label_space("ade20k-150")
assert ADE.palette is not None
COLOURS = ADE.palette
COCO = label_space("coco-stuff-182")
IDS = np.array([[0, 1, 2, 2, 9], [3, 3, 1, 0, 9]], dtype=np.uint8)
BATCH = torch.from_numpy(IDS).long()[None]


def label_vqgan(channels: int) -> VQGAN:
    torch.manual_seed(0)
    config = VQGANConfig(
        in_channels=channels, out_channels=channels, channels=32, channel_multipliers=(1, 1), num_res_blocks=1,
        attention_levels=(), latent_channels=8, codebook_size=16, code_dim=4,
    )  # fmt: skip
    return VQGAN(config).eval()


def palette_picture(ids: np.ndarray, palette: Sequence[Colour] = COLOURS) -> Image.Image:
    """A real PNG's mode P: indices, and the colours that a viewer shows for them."""
    picture = Image.fromarray(ids.astype(np.uint8)).convert("P")
    picture.putdata(ids.ravel().tolist())
    picture.putpalette([value for colour in palette for value in colour])
    return picture


@pytest.fixture
def coco() -> SegmentationCondition:
    return SegmentationCondition(label_space="coco-stuff-182")


@pytest.fixture
def ade() -> SegmentationCondition:
    return SegmentationCondition(label_space="ade20k-150")


@pytest.mark.parametrize(
    "given",
    [
        Image.fromarray(IDS),
        palette_picture(IDS),
        Image.fromarray(IDS.astype(np.int32)),
        Image.fromarray(IDS.astype(np.uint16)),
        IDS,
        IDS.astype(np.int64)[None],
        IDS[..., None],
        IDS.astype(">u2"),
        torch.from_numpy(IDS),
        BATCH.int(),
        BATCH[:, None],
        [IDS],
    ],
    ids=["L", "P", "I", "I;16", "uint8", "batch", "one-channel", "big-endian", "tensor", "int32", "B1HW", "list"],
)
def test_ids_in_every_form(coco, given):
    parsed = coco.parse(given)
    assert parsed.dtype == torch.int64
    assert torch.equal(parsed, BATCH)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_ids_from_a_file(coco, tmp_path, mode):
    (Image.fromarray(IDS) if mode == "L" else palette_picture(IDS)).save(tmp_path / "map.png")
    assert torch.equal(coco.parse(tmp_path / "map.png"), BATCH)
    assert torch.equal(coco.parse([str(tmp_path / "map.png"), IDS]), BATCH.expand(2, -1, -1))


def test_ids_to_ade20k_colours_and_back(ade):
    ids = np.delete(np.arange(150), [6, 48]).reshape(1, -1).repeat(2, axis=0)  # road and skyscraper share a colour
    colours = paint_labels(ids, COLOURS)
    expected = torch.from_numpy(ids)[None]
    as_tensor = torch.from_numpy(colours).permute(2, 0, 1)
    for given in (colours, Image.fromarray(colours), Image.fromarray(colours).convert("RGBA"), as_tensor[None]):
        assert torch.equal(ade.parse(given), expected)  # the checkpoint's own palette
        assert torch.equal(ade.parse(given, palette="ade20k"), expected)
    assert torch.equal(ade.parse(as_tensor, palette="ade20k"), expected)


def test_ade20k_colours_drive_a_coco_stuff_checkpoint(coco):
    ids = np.array([[2, 26, 128], [21, 9, 255]])  # sky, sea, lake; water, grass, unlabelled
    colours = paint_labels(ids[:, :2], COLOURS)
    assert coco.parse(colours, palette="ade20k")[0].tolist() == [
        [COCO.names.index("sky-other"), COCO.names.index("sea")],
        [COCO.names.index("water-other"), COCO.names.index("grass")],
    ]
    with pytest.warns(UserWarning) as caught:
        assert (coco.parse(ids[:, 2:][:1], label_space="ade20k-150") == COCO.names.index("water-other")).all()
        coco.parse(ids[:1, 2:].repeat(2, 1) - [[0, 107]], label_space="ade20k-150")
    messages = [str(warning.message) for warning in caught]
    assert "'lake' as 'water-other'" in messages[0]
    assert any("'water' and 'lake' as 'water-other'" in message for message in messages)


def test_road_and_skyscraper_share_a_colour(ade):
    ids = np.array([[6, 48, 48, 2]])
    with pytest.warns(
        UserWarning, match=r"^3 pixels \(75.00%\) have the colour \(140, 140, 140\).*read as 'road' \(6\)"
    ):
        parsed = ade.parse(paint_labels(ids, COLOURS), palette="ade20k")
    assert parsed.tolist() == [[[6, 6, 6, 2]]]


def test_black_is_unlabelled_in_the_ade20k_palette(coco):
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0] = COLOURS[2]
    with pytest.raises(ValueError, match=r"unlabelled \(255\) \(50.00% of the pixels\).*label_map=\{255: "):
        coco.parse(colours, palette="ade20k")
    parsed = coco.parse(colours, palette="ade20k", label_map={255: "sea"})
    assert parsed[0, :, 0].tolist() == [COCO.names.index("sky-other"), COCO.names.index("sea")]
    with_unknown = SegmentationCondition(label_space="ade20k-151")
    assert with_unknown.parse(colours, palette="ade20k")[0, :, 0].tolist() == [3, 0]


def test_mode_p_in_plain_colours_has_ids(coco):
    plain = palette_picture(np.array([[0, 1, 2]]), palette=[(255, 0, 0), (0, 0, 255), (255, 255, 0)])
    assert coco.parse(plain).tolist() == [[[0, 1, 2]]]


def test_mode_p_has_ids_unless_a_palette_is_given(coco, ade):
    renumbered = palette_picture(np.array([[0, 1]]), palette=[COLOURS[21], COLOURS[2]])
    assert ade.parse(renumbered, palette="ade20k").tolist() == [[[21, 2]]]
    for condition in (ade, coco):
        with pytest.raises(ValueError, match=r"numbered the colours anew\. Pass palette='ade20k'"):
            condition.parse(renumbered)
    assert ade.parse(np.asarray(renumbered)).tolist() == [[[0, 1]]]


OWN = {(255, 0, 0): "sky", (0, 255, 0): 1, (0, 0, 255): "rock"}


@pytest.mark.parametrize(
    "palette",
    [OWN, {name: colour for colour, name in OWN.items()}, list(OWN), np.array(list(OWN))],
    ids=["colour-to-label", "label-to-colour", "list", "array"],
)
def test_palettes_of_the_users_own(palette):
    condition = SegmentationCondition(labels=("sky", "sea", "rock"))
    colours = np.array([list(OWN)], dtype=np.uint8)
    assert condition.parse(colours, palette=palette).tolist() == [[[0, 1, 2]]]


def test_the_checkpoints_own_palette_is_the_default():
    condition = SegmentationCondition(labels=("sky", "sea", "rock"), palette=tuple(OWN))
    assert condition.parse(np.array([list(OWN)], dtype=np.uint8)).tolist() == [[[0, 1, 2]]]


def test_colours_off_the_palette(ade):
    colours = paint_labels(np.full((10, 10), 2), COLOURS)
    colours[0, :3] = (7, 229, 230)
    colours[1, 0] = (4, 199, 4)
    with pytest.raises(ValueError, match=r"4.00% .*not in the palette 'ade20k': 2 colours.*\(7, 229, 230\) \(3.00%\)"):
        ade.parse(colours, palette="ade20k")
    with pytest.warns(UserWarning, match=r"4.00% of the pixels .* read as the nearest"):
        parsed = ade.parse(colours, palette="ade20k", nearest_colour=True)
    assert parsed[0, 0, :3].tolist() == [2, 2, 2]
    assert parsed[0, 1, 0] == 4


@pytest.mark.parametrize(
    ("own", "given", "space", "expected"),
    [
        ("coco-stuff-182", [[1, 182]], "coco-stuff-183", [[0, 181]]),
        ("coco-stuff-183", [[0, 181, 255]], "coco-stuff-182", [[1, 182, 0]]),
        ("coco-stuff-182", [[11, 170]], "coco-stuff-171", [[12, 181]]),
        ("ade20k-151", [[0, 149, 255]], "ade20k-150", [[1, 150, 0]]),
        ("ade20k-150", [[1, 150]], "ade20k-151", [[0, 149]]),
    ],
)
def test_ids_of_another_label_space(own, given, space, expected):
    condition = SegmentationCondition(label_space=own)
    assert condition.parse(np.array(given), label_space=space).tolist() == [expected]


def test_a_label_map_translates_ids(coco):
    parsed = coco.parse(np.array([[187, 156]]), label_map={187: "clouds"})
    assert parsed.tolist() == [[[COCO.names.index("clouds"), 156]]]
    parsed = coco.parse(np.array([[0, 2]]), label_space="ade20k-150", label_map={"wall": "house"})
    assert parsed.tolist() == [[[COCO.names.index("house"), 156]]]


def test_ordinary_maps_pass_without_a_warning(coco):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        coco.parse(np.arange(182)[None])


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        (
            np.array([[0, 187]]),
            {},
            ValueError,
            r"label 187 \(50.00% .*knows 0–181 \(coco-stuff-182\).*label_map=\{187: ",
        ),
        (np.array([[3, 182]]), {}, ValueError, "label_space='coco-stuff-183'"),
        (np.array([[0, 255]]), {}, ValueError, "255 usually marks pixels that nobody labelled"),
        (np.array([[0, 999, 998]]), {}, ValueError, r"labels 998 .*, 999 "),
        (np.array([[0, -1]]), {}, ValueError, r"negative label -1 \(50.00%"),
        (np.array([[2**40]]), {}, ValueError, "small whole numbers"),
        (np.array([[0.0, 1.0]]), {}, TypeError, r"whole numbers \(0–1\).*astype\('int64'\)"),
        (np.array([[0.0, 0.5]]), {}, TypeError, "between whole numbers"),
        (np.array([[np.nan]]), {}, TypeError, "not finite"),
        (np.array([[True]]), {}, TypeError, "mask and no label map"),
        (np.array([["sky"]]), {}, TypeError, "type <U3"),
        (torch.zeros(1, 182, 4, 4), {}, TypeError, r"argmax\(dim=1\)"),
        (torch.zeros(4, 4, dtype=torch.bfloat16), {}, TypeError, "whole numbers"),
        (Image.new("1", (4, 4)), {}, TypeError, "black-and-white"),
        (Image.new("F", (4, 4)), {}, ValueError, "PIL mode 'F'"),
        (Image.new("LA", (4, 4)), {}, ValueError, "PIL mode 'LA'"),
        (Image.new("RGB", (4, 4)), {}, ValueError, r"have no colours.*palette='ade20k'"),
        (Image.new("RGBA", (4, 4)), {"palette": "ade20k"}, ValueError, "100.00% .* transparent"),
        (np.zeros((4, 4, 3), np.int64), {}, TypeError, "looks like colours, which are uint8; got int64"),
        (np.zeros((1, 2, 4, 5), np.uint8), {}, ValueError, r"shape \(1, 2, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), {}, ValueError, "empty"),
        (torch.zeros(0, 4, dtype=torch.long), {}, ValueError, r"shape \(0, 4\)"),
        (np.int64(3), {}, TypeError, "int64"),
        ([[0, 1], [1, 0]], {}, TypeError, "given as list"),
        ([], {}, ValueError, "empty list"),
        ([IDS, IDS[:1]], {}, ValueError, r"\(1, 5\), \(2, 5\)"),
        ([IDS, np.zeros((2, 5, 3), np.uint8)], {}, ValueError, "mixes"),
        (IDS, {"palette": "ade20k"}, ValueError, "leave palette out"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": "coco-stuff"}, ValueError, "cannot be read back"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": "ade"}, ValueError, "Did you mean 'ade20k'"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": {}}, ValueError, "palette is empty"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": 7}, TypeError, "got int"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": {(0, 0, 0): "skyy"}}, ValueError, "no label 'skyy'"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": {"sky": (0, 0, 256)}}, ValueError, "0 to 255"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": {"sky": (0, 0)}}, ValueError, "three whole numbers"),
        (np.zeros((4, 4, 3), np.uint8), {"palette": [(0, 0, 0), (0, 0, 0)]}, ValueError, "several labels"),
        (
            np.zeros((4, 4, 3), np.uint8),
            {"palette": "ade20k", "label_space": "coco-stuff-183"},
            ValueError,
            "contradict each other",
        ),
        (IDS, {"label_space": "ade20k"}, ValueError, "Did you mean 'ade20k-15"),
        (IDS, {"label_map": {0: "skyy"}}, ValueError, "no label 'skyy'"),
    ],
)
def test_what_is_refused(coco, given, options, error, message):
    with pytest.raises(error, match=message):
        coco.parse(given, **options)


def test_labels_without_a_counterpart_are_named():
    condition = SegmentationCondition(labels=("sky", "sea"))
    with pytest.raises(ValueError, match=r"'tree' \(4\) \(50.00% .* of ade20k-150 .*no counterpart.*label_map=\{4: "):
        condition.parse(np.array([[2, 4]]), label_space="ade20k-150")


def test_labels_that_were_not_trained_are_drawn_as_others():
    condition = SegmentationCondition(
        labels=("person", "giraffe", "sky", "cow"), channels=(0, 0, 1, 2), trained_labels=("person", "sky")
    )
    with pytest.warns(
        UserWarning, match="'giraffe' is drawn as 'person', 'cow' is drawn as something arbitrary"
    ) as caught:
        assert condition.parse(np.array([[0, 1, 2, 3]])).tolist() == [[[0, 1, 2, 3]]]
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        condition.parse(np.array([[0, 2]]))


def test_encode_is_the_vqgan_on_one_hot_maps():
    vqgan = label_vqgan(4)
    condition = SegmentationCondition(labels=("a", "b", "c", "d"), vqgan=vqgan)
    labels = torch.randint(4, (3, 8, 12), generator=torch.Generator().manual_seed(1))
    one_hot = torch.nn.functional.one_hot(labels, 4).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        assert torch.equal(condition.encode(labels), vqgan.encode(one_hot))
    assert (condition.vocab_size, condition.downsample_factor) == (16, 2)


def test_encode_draws_labels_with_their_channels():
    vqgan = label_vqgan(2)
    condition = SegmentationCondition(labels=("a", "b", "c"), channels=(1, 0, 1), vqgan=vqgan)
    two = SegmentationCondition(labels=("x", "y"), vqgan=vqgan)
    labels = torch.tensor([[[0, 1, 2, 2], [2, 1, 0, 0]]])
    assert torch.equal(condition.encode(labels), two.encode(torch.tensor([1, 0, 1])[labels]))


def test_encode_works_in_parts_and_in_the_models_precision(monkeypatch):
    condition = SegmentationCondition(labels=("a", "b", "c"), vqgan=label_vqgan(3).double())
    labels = torch.randint(3, (5, 8, 8), generator=torch.Generator().manual_seed(1))
    whole = condition.encode(labels)
    monkeypatch.setattr("vqgan_transformer.conditions.tokenized_map.PIXELS_AT_ONCE", 128)
    assert torch.equal(condition.encode(labels), whole)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.zeros(1, 3, 4, dtype=torch.long), ValueError, "multiples of 2"),
        (torch.zeros(4, 4, dtype=torch.long), ValueError, r"\(B, H, W\)"),
        (torch.full((1, 4, 4), 3), ValueError, "run from 3 to 3, but the labels are 0–2"),
        (torch.zeros(1, 4, 4), TypeError, "int64"),
    ],
)
def test_encode_refuses_what_parse_would_not_give(labels, error, message):
    with pytest.raises(error, match=message):
        SegmentationCondition(labels=("a", "b", "c"), vqgan=label_vqgan(3)).encode(labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "labels= or label_space="),
        ({"labels": ()}, "labels is empty"),
        ({"labels": ("a", "a")}, "'a' more than once"),
        ({"labels": ("a", "b"), "palette": [(0, 0, 0)]}, "1 colours for 2 labels"),
        ({"labels": ("a", "b"), "channels": (0,)}, "1 numbers for 2 labels"),
        ({"labels": ("a", "b"), "channels": (0, -1)}, "must not be negative"),
        ({"labels": ("a", "b"), "trained_labels": ("c",)}, "'c', which is none of the labels"),
        ({"labels": ("a", "b"), "label_space": "ade20k-150"}, "other labels than the 2 given"),
        ({"labels": ("a", "b"), "vqgan": 3}, "3 input channels, but 2 labels use 2"),
        ({"labels": ("a", "b"), "channels": (0, 3), "vqgan": 3}, "3 input channels, but 2 labels use 4"),
    ],
)
def test_contradictions_in_a_config(arguments, message):
    if "vqgan" in arguments:
        arguments = arguments | {"vqgan": label_vqgan(arguments["vqgan"])}
    with pytest.raises(ValueError, match=message):
        SegmentationCondition(**arguments)


def test_names_of_labels_can_come_from_a_json_file(tmp_path):
    (tmp_path / "labels.json").write_text('["sky", "sea"]')
    assert SegmentationCondition(labels=tmp_path / "labels.json").config.labels == ("sky", "sea")
    (tmp_path / "labels.json").write_text('{"sky": 0}')
    with pytest.raises(ValueError, match="JSON list of names"):
        SegmentationCondition(labels=str(tmp_path / "labels.json"))
    with pytest.raises(FileNotFoundError, match="is no file"):
        SegmentationCondition(labels="sky")
