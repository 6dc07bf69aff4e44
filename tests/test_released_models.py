"""Every released model by its published config: a file with all its tensors, of which headers alone are real.

The files are as large as the published ones, but have holes: they take no room on the disk, and nothing reads them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import golden_checkpoints as golden
from vqgan_transformer import CondGPT, ImageSynthesisPipeline
from vqgan_transformer.checkpoints import formats
from vqgan_transformer.storage.weights import build_on_meta
from vqgan_transformer.vqgan.model import VQGAN

NETWORK = {
    "double_z": False, "z_channels": 256, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
    "ch_mult": [1, 1, 2, 2, 4], "num_res_blocks": 2, "attn_resolutions": [16], "dropout": 0.0,
}  # fmt: skip
COMMON = {"target": "taming.data.annotated_objects_coco.AnnotatedObjectsCoco", "params": {"no_tokens": 8192}}
OPEN_IMAGES = {
    "target": "taming.data.annotated_objects_open_images.AnnotatedObjectsOpenImages",
    "params": {"no_tokens": 8192, "use_group_parameter": True, "use_additional_parameters": True, "encode_crop": True},
}


def vqgan(codes: int, channels: int = 3, kind: str = "VQModel", **fields: Any) -> dict[str, Any]:
    network = NETWORK | {"in_channels": channels, "out_ch": channels}
    parameters = {"embed_dim": 256, "n_embed": codes, "ddconfig": network, **fields}
    return {"target": f"taming.models.vqgan.{kind}", "params": parameters}


def gpt(vocabulary: int, block: int, layers: int, width: int, heads: int = 16) -> dict[str, Any]:
    sizes = {"vocab_size": vocabulary, "block_size": block, "n_layer": layers, "n_head": heads, "n_embd": width}
    return {"target": "taming.modules.transformer.mingpt.GPT", "params": sizes}


def labels(count: int) -> dict[str, Any]:
    return vqgan(1024, count, "VQSegmentationModel", n_labels=count, image_key="segmentation")


START = {"target": "taming.modules.util.SOSProvider", "params": {"sos_token": 0}}
COORDINATES = {"target": "taming.modules.misc.coord.CoordStage", "params": {"n_embed": 1024, "down_factor": 16}}
CLASSES = {"target": "taming.modules.util.Labelator", "params": {"n_classes": 1000}}
BOXES = {"target": "taming.models.dummy_cond_stage.DummyCondStage", "params": {"conditional_key": "objects_bbox"}}

# name -> (transformer, pictures' codes, condition, data set, millions of weights in the transformer)
RELEASED = {
    "S-FLCKR": (gpt(1024, 512, 24, 1024), 1024, labels(182), None, 304.9),
    "FacesHQ": (gpt(1024, 512, 24, 1024), 1024, COORDINATES, None, 304.9),
    "D-RIN": (gpt(1024, 512, 24, 1024), 1024, vqgan(1024, 1), None, 304.9),
    "ADE20K": (gpt(4096, 512, 28, 1024), 4096, labels(151), None, 361.6),
    "COCO-Stuff": (gpt(8192, 512, 32, 1280), 8192, labels(183), None, 651.3),
    "cIN": (gpt(16384, 257, 48, 1536), 16384, CLASSES, None, 1410),
    "FFHQ": (gpt(1024, 256, 24, 1664), 1024, START, None, 801.8),
    "CelebA-HQ": (gpt(1024, 256, 24, 1664), 1024, START, None, 801.8),
    "COCO scenes": (gpt(8192, 348, 40, 1408), 8192, BOXES, COMMON, 975.9),
    "Open Images scenes": (gpt(8192, 348, 36, 1536), 8192, BOXES, OPEN_IMAGES, 1046),
}


def write_hollow(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """A safetensors file of float32 tensors with a header and nothing else."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)


def write_released(name: str, folder: Path) -> Path:
    transformer, codes, condition, data, _ = RELEASED[name]
    parameters = {"transformer_config": transformer, "first_stage_config": vqgan(codes), "cond_stage_config": condition}
    target = "taming.models.cond_transformer.Net2NetTransformer"
    config: dict[str, Any] = {"model": {"target": target, "params": parameters}}
    if data is not None:
        config["data"] = {"target": "main.DataModuleFromConfig", "params": {"train": data}}
    for part in ("checkpoints", "configs"):
        (folder / part).mkdir(parents=True)
    write_hollow(folder / "checkpoints" / "last.safetensors", dict(golden._shapes(parameters)))
    (folder / "configs" / "2020-11-09T13-31-51-project.yaml").write_text(yaml.safe_dump(config))
    return folder


def same_names_and_shapes(kind: type, config: Any, tensors: dict[str, Any]) -> int:
    """Builds a model without memory, compares it key for key, and counts its weights."""
    with build_on_meta(len(tensors), "here"):
        model = kind.from_config(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in tensors.items()} == expected
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(params=RELEASED)
def released(request, tmp_path):
    return request.param, formats.Opened(write_released(request.param, tmp_path / "run"))


def test_every_released_model_fits_key_for_key(released):
    name, opened = released
    _, family = formats.identify(opened)
    assert family.name == "taming"
    parts = family.readers["ImageSynthesisPipeline"](opened)
    _, config, tensors = parts["gpt"]
    assert same_names_and_shapes(CondGPT, config, tensors) / 1e6 == pytest.approx(RELEASED[name][-1], rel=2e-3)
    assert config.n_head == 16
    _, config, tensors = parts["vqgan"]
    assert same_names_and_shapes(VQGAN, config, tensors) / 1e6 == pytest.approx(
        72.142 + (config.codebook_size - 1024) * 256e-6, rel=1e-4
    )
    [(_, config, tensors)] = [known for part, known in parts.items() if part.startswith("conditions/")]
    if getattr(config, "vqgan", None) is not None:
        inner = {key.removeprefix("vqgan."): tensor for key, tensor in tensors.items()}
        same_names_and_shapes(VQGAN, config.vqgan, inner)


@pytest.mark.parametrize(
    ("name", "kind", "first", "last", "count"),
    [
        ("S-FLCKR", "SegmentationCondition", "person", "wood", 182),
        ("ADE20K", "SegmentationCondition", "unknown", "flag", 151),
        ("COCO-Stuff", "SegmentationCondition", "unlabeled", "wood", 183),
        ("cIN", "ClassCondition", "tench, Tinca tinca", "toilet tissue, toilet paper, bathroom tissue", 1000),
        ("COCO scenes", "LayoutCondition", "person", "cage", 171),
        ("Open Images scenes", "LayoutCondition", "Tortoise", "Suitcase", 340),
    ],
)
def test_released_models_know_their_labels_by_name(tmp_path, name, kind, first, last, count):
    report = VQGAN.inspect(write_released(name, tmp_path / "run"))
    [part] = [part for part in report.holds["ImageSynthesisPipeline"] if part.startswith("conditions/")]
    config = report.holds["ImageSynthesisPipeline"][part][kind]
    assert (config["labels"][0], config["labels"][-1], len(config["labels"])) == (first, last, count)


def test_scene_models_have_their_own_window_and_92_condition_tokens(tmp_path):
    report = VQGAN.inspect(write_released("Open Images scenes", tmp_path / "run"))
    parts = report.holds["ImageSynthesisPipeline"]
    assert parts["sampler"]["SlidingWindowSampler"]["centre"] == [7, 7]
    layout = parts["conditions/layout"]["LayoutCondition"]
    assert (layout["vocab_size"], layout["max_objects"], layout["points"]) == (8192, 30, "corners")
    assert layout["attributes"] == ["group_of", "occluded", "depiction", "inside"]
    # 340 classes with all attributes are 5440 ids, below the last token, which means "none"
    assert parts["gpt"]["CondGPT"]["block_size"] == 256 + 92


IBQ = {
    "imagenet256_1024": 107.05,
    "imagenet256_8192": 108.88,
    "imagenet256_16384": 110.98,
    "imagenet256_262144": 173.90,
}


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize(("name", "millions"), IBQ.items())
def test_every_ibq_tokenizer_fits_key_for_key(tmp_path, name, millions, averaged):
    section = vqgan(int(name.rpartition("_")[2]))
    section["params"]["ddconfig"]["num_res_blocks"] = 4
    shapes = dict(golden._shapes(section["params"]))
    averages = {f"model_ema.{key.replace('.', '')}": shape for key, shape in shapes.items()}
    write_hollow(tmp_path / f"{name}.safetensors", shapes | (averages if averaged else {}))
    opened = formats.Opened(tmp_path)
    assert formats.identify(opened)[1].name == "ibq"
    config, tensors = formats.FAMILIES["ibq"].readers["VQGAN"](opened)
    assert (config.quantizer, config.decoder_blocks) == ("inner_product", (5,) * 5)
    assert same_names_and_shapes(VQGAN, config, tensors) / 1e6 == pytest.approx(millions, rel=1e-3)


LLAMAGEN = {"B": (12, 768, 12, 110.9), "L": (24, 1024, 16, 342.9), "XL": (36, 1280, 20, 775), "XXL": (48, 1536, 24, 1411), "3B": (24, 3200, 32, 3097)}  # fmt: skip


@pytest.mark.parametrize(("size", "layers", "width", "heads", "millions"), [(k, *v) for k, v in LLAMAGEN.items()])
def test_every_llamagen_model_fits_key_for_key(tmp_path, size, layers, width, heads, millions):
    hidden = math.ceil(int(8 * width / 3) / 256) * 256
    shapes: dict[str, tuple[int, ...]] = {
        "cls_embedding.embedding_table.weight": (1001, width), "tok_embeddings.weight": (16384, width),
        "norm.weight": (width,), "output.weight": (16384, width),
    }  # fmt: skip
    for layer in range(layers):
        sizes = {"attention.wqkv": (3 * width, width), "attention.wo": (width, width), "attention_norm": (width,)}
        sizes |= {"feed_forward.w1": (hidden, width), "feed_forward.w3": (hidden, width)}
        sizes |= {"feed_forward.w2": (width, hidden), "ffn_norm": (width,)}
        shapes |= {f"layers.{layer}.{name}.weight": shape for name, shape in sizes.items()}
    path = tmp_path / f"c2i_{size}_384.safetensors"
    write_hollow(path, shapes)
    config, tensors = formats.FAMILIES["llamagen"].readers["CondGPT"](formats.Opened(path))
    assert same_names_and_shapes(CondGPT, config, tensors) / 1e6 == pytest.approx(millions, rel=5e-3)
    assert (config.n_head, config.window, config.null_token) == (heads, (24, 24), 1000)


@torch.no_grad()
def test_a_scene_model_paints_from_boxes(tmp_path):
    network = {"double_z": False, "z_channels": 8, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 32, "ch_mult": [1, 1, 1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}  # fmt: skip
    data = {"target": "taming.data.annotated_objects_coco.AnnotatedObjectsCoco", "params": {"no_tokens": 600}}
    parameters = {
        "transformer_config": gpt(600, 348, 1, 32, heads=2),
        "first_stage_config": {
            "target": "taming.models.vqgan.VQModel",
            "params": {"embed_dim": 8, "n_embed": 32, "ddconfig": network},
        },
        "cond_stage_config": BOXES,
    }
    weights = {name: torch.randn(shape) * 0.1 for name, shape in golden._shapes(parameters)}
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "configs").mkdir()
    golden.save_as_lightning(tmp_path / "checkpoints" / "last.ckpt", weights)
    config = {"model": {"target": "Net2NetTransformer", "params": parameters}, "data": {"params": {"train": data}}}
    (tmp_path / "configs" / "scene-project.yaml").write_text(yaml.safe_dump(config))
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path)
    layout = [("person", (0.1, 0.2, 0.4, 0.9)), ("dog", (0.5, 0.6, 0.8, 0.9))]
    out = pipe(layout=layout, size=(256, 256), seed=0, progress=False)
    assert out.images[0].size == (256, 256)
    config.pop("data")
    (tmp_path / "configs" / "scene-project.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(formats.CheckpointError, match="labels="):
        ImageSynthesisPipeline.from_pretrained(tmp_path)


def test_a_picture_as_a_condition_may_share_the_tokenizer(tmp_path):
    config = golden.case("taming_class_transformer")["config"]
    parameters = config["model"]["params"]
    parameters["cond_stage_config"] = "__is_first_stage__"
    parameters["transformer_config"]["params"]["block_size"] = 512
    weights = {name: torch.randn(shape) * 0.1 for name, shape in golden._shapes(parameters)}
    golden.save_as_lightning(tmp_path / "last.ckpt", weights)
    (tmp_path / "run-project.yaml").write_text(yaml.safe_dump(config))
    pipe = ImageSynthesisPipeline.from_pretrained(tmp_path)
    assert [condition.name for condition in pipe.conditions] == ["condition_image"]
    assert pipe.conditions[0].vqgan.config == pipe.vqgan.config
