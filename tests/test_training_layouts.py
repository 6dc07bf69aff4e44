"""Layouts as training data: the forms they come in, and boxes that stay with their objects when a picture is cut."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from training_data import picture, short_training, tiny_vqgan, write_pictures
from vqgan_transformer import VQGAN, ImageSynthesisPipeline, LayoutCondition, train_cond_gpt
from vqgan_transformer.training.crops import Crop, random_crop
from vqgan_transformer.training.data import DataError, open_data
from vqgan_transformer.training.gpt_training import fitting_config
from vqgan_transformer.training.samples import CENTRE, Samples, check
from vqgan_transformer.training.settings import GPTTraining

CONDITION = LayoutCondition(("square", "disc"), vocab_size=10_001, max_objects=3)  # 100×100 cells
WHOLE = (24, 32)
BOXES = [[8.0, 12.0, 16.0, 6.0], [-0.4, 0.0, 8.4, 24.0], [40.0, 1.0, 3.0, 3.0]]  # the last lies beside the picture
IN_PIXELS = {"bbox": BOXES, "categories": ["square", "disc", "disc"]}
RELATIVE = [[0.0, 0.25, 0.5, 0.75, 0.75], [1.0, 0.0, 0.0, 0.25, 1.0]]


def write_instances(folder, count: int = 6):
    """Pictures 0.png, 1.png, … of 24×32 pixels with two objects each, the last with none."""
    write_pictures(folder / "images", count)
    annotations = [
        {"image_id": number, "bbox": box, "category_id": 7 + 3 * (label == "disc")}
        for number in range(count - 1)
        for box, label in zip(BOXES, IN_PIXELS["categories"], strict=True)
    ]
    table = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(count)],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "square"}, {"id": 10, "name": "disc"}],
    }
    (folder / "instances.json").write_text(json.dumps(table))
    return folder


@pytest.mark.parametrize("form", ["COCO", "objects", "layout", "csv", "list"])
def test_forms_of_layouts(form, tmp_path):
    own = [["square", [0.25, 0.5, 0.75, 0.75]], ["disc", [0.0, 0.0, 0.25, 1.0]]]
    data = tmp_path
    if form == "COCO":
        write_instances(tmp_path)
    elif form == "list":
        data = [{"image": picture(0), "objects": {"bbox": BOXES, "category": [0, 1, 1]}}]
    else:
        write_pictures(tmp_path, 1)
        if form == "csv":
            quoted = json.dumps(own).replace('"', '""')
            (tmp_path / "metadata.csv").write_text(f'file_name,layout\n0.png,"{quoted}"\n')
        else:
            row = {"file_name": "0.png", form: IN_PIXELS if form == "objects" else own}
            (tmp_path / "metadata.jsonl").write_text(json.dumps(row))
    sample = open_data(data, ("image", "layout"))[0]
    assert CONDITION.objects_of(sample["layout"], WHOLE).tolist() == RELATIVE


def test_a_picture_may_hold_nothing_but_not_more_than_there_is_place_for(tmp_path):
    samples = Samples(open_data(write_instances(tmp_path), ("image", "layout")), short_training(), (CONDITION,))
    assert samples[CENTRE, 5]["layout"][:9].eq(10_000).all()
    check(samples)
    crowded = [{"image": picture(0), "layout": [(0, (0.0, 0.0, 0.5, 0.5))] * 4}]
    with pytest.raises(DataError, match="sample 0: layout has 4 objects"):
        check(Samples(open_data(crowded, ("image", "layout")), short_training(), (CONDITION,)))
    strange = [{"image": picture(0), "layout": [("triangle", (0.0, 0.0, 0.5, 0.5))]}]
    with pytest.raises(DataError, match=r"sample 0: .*triangle"):
        check(Samples(open_data(strange, ("image", "layout")), short_training(), (CONDITION,)))


def test_other_boxes_make_cached_tokens_stale(tmp_path):
    write_instances(tmp_path)
    before = open_data(tmp_path, ("image", "layout")).fingerprint()
    assert open_data(tmp_path, ("image", "layout")).fingerprint() == before
    table = (tmp_path / "instances.json").read_text()
    (tmp_path / "instances.json").write_text(table.replace("12.0", "11.0"))
    assert open_data(tmp_path, ("image", "layout")).fingerprint() != before


@pytest.mark.parametrize("seed", range(12))
def test_boxes_are_cut_and_mirrored_with_what_they_are_around(seed):
    rng = np.random.default_rng(seed)
    whole = (96, 128)
    box = np.sort(rng.integers(0, whole, (2, 2)), axis=0)  # (top, left), (bottom, right)
    box[1] += 1
    labels = torch.zeros(whole, dtype=torch.long)
    labels[box[0, 0] : box[1, 0], box[0, 1] : box[1, 1]] = 1
    crop = random_crop(rng, whole, (48, 48), (64, 64), flip=True)
    seen = crop.of_labels(labels)
    (top, left), (bottom, right) = box / whole
    tokens = CONDITION.cut([("disc", (left, top, right, bottom))], crop, whole, rng)
    corners = torch.stack((tokens % 100, tokens // 100), dim=1).double() / 99  # (x, y)
    start, extent = corners[-2], corners[-1] - corners[-2]
    if not seen.any():
        assert tokens[0] == 10_000
        return
    assert tokens[0] == 1
    low, high = (((corner - start) / extent * 48).clamp(0, 48) for corner in corners[1:3])
    rows, columns = seen.nonzero(as_tuple=True)
    assert (low[0] - columns.min()).abs() < 1.5 and (high[0] - columns.max() - 1).abs() < 1.5
    assert (low[1] - rows.min()).abs() < 1.5 and (high[1] - rows.max() - 1).abs() < 1.5


def test_objects_outside_of_a_crop_are_left_out_and_their_order_is_drawn():
    objects = [("square", RELATIVE[0][1:]), ("disc", RELATIVE[1][1:])]
    right = Crop(0, 16, 24, 16, (16, 16))
    orders = {
        tuple(CONDITION.cut(objects, Crop(0, 0, 24, 32, (16, 16)), WHOLE, np.random.default_rng(seed))[:6:3].tolist())
        for seed in range(20)
    }  # fmt: skip
    assert orders == {(0, 1), (1, 0)}
    tokens = CONDITION.cut(objects, right, WHOLE, np.random.default_rng(0))
    assert tokens[::3].tolist()[:3] == [0, 10_000, 10_000]


def test_a_layout_model_trains_and_paints(tmp_path):
    torch.manual_seed(0)
    vqgan = VQGAN(tiny_vqgan()).eval()
    training = GPTTraining(
        max_steps=2, batch_size=2, crop_size=16, short_side=20, token_variants=2, picture_every=2, validate_every=1,
        condition_dropout=0.2, learning_rate=1e-3, structured_tables=True, validation_share=0.25,
    )  # fmt: skip
    config = fitting_config(vqgan, CONDITION, training, n_layer=1, n_head=2, n_embd=16)
    assert config.block_size == CONDITION.config.length + 15
    train_cond_gpt(
        write_instances(tmp_path / "data"), tmp_path / "run", vqgan=vqgan, condition=CONDITION, config=config,
        training=training, progress=False,
    )  # fmt: skip
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path / "run")
    pictures = pipe(layout=[("disc", (0.1, 0.2, 0.5, 0.9))], size=(24, 24), seed=3, progress=False).images
    assert pictures[0].size == (24, 24)
