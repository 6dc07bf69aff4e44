"""Checkpoints of other programs: found out from the file itself, and computing what their programs compute."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

import foreign_checkpoints as foreign
import golden_checkpoints as golden
from foreign_checkpoints import CASES, VQGANS
from vqgan_transformer import VQGAN, CondGPT, ImageSynthesisPipeline
from vqgan_transformer.checkpoints import formats
from vqgan_transformer.checkpoints.formats.opened import Opened
from vqgan_transformer.errors import CheckpointError

PRECISIONS = [pytest.param(torch.float32, 1e-4, id="float32"), pytest.param(torch.float64, 1e-6, id="float64")]
WITH_DECODER = [name for name in VQGANS if "reconstruction" in golden.case(name)["expected"]]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Checkpoints by case, each written once."""
    written = {}

    def checkpoint(name: str) -> Path:
        if name not in written:
            folder = tmp_path_factory.mktemp("foreign") / name
            written[name] = (golden.write_run if name in golden.CASES else foreign.write)(name, folder)
        return written[name]

    return checkpoint


def images(name: str, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(golden.array(golden.case(name)["inputs"]["images"])).to(dtype)


def farthest(name: str, what: str, found: torch.Tensor) -> float:
    sample = golden.case(name)["expected"][what]
    assert list(found.shape) == sample["shape"]
    return float(np.abs(found.numpy().ravel()[sample["at"]] - np.array(sample["values"])).max())


@pytest.mark.parametrize("name", VQGANS)
@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_tokens_and_pictures_are_those_of_the_program(checkpoints, name, dtype, tolerance):
    vqgan = VQGAN.from_pretrained(checkpoints(name), dtype=dtype)
    tokens = vqgan.encode(images(name, dtype))
    assert tokens.tolist() == golden.case(name)["expected"]["tokens"]
    if name in WITH_DECODER:
        assert farthest(name, "reconstruction", vqgan.decode(tokens)) < tolerance
    else:
        with pytest.raises(ValueError, match="encoder's half only"):
            vqgan.decode(tokens)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@torch.no_grad()
def test_llamagens_gpt_gives_its_logits(checkpoints, dtype, tolerance):
    name = "llamagen_gpt"
    gpt = CondGPT.from_pretrained(checkpoints(name), dtype=dtype, **foreign.options(name))
    inputs = {key: torch.tensor(value) for key, value in golden.case(name)["inputs"].items()}
    logits = gpt(inputs["tokens"], inputs["class_label"][:, None])
    assert farthest(name, "logits", logits) < tolerance


@pytest.mark.parametrize("name", [*CASES, *golden.CASES])
def test_each_checkpoint_is_of_one_family_and_no_other(checkpoints, name):
    opened = Opened(checkpoints(name))
    found = [family.name for family in formats.FAMILIES.values() if family.detect(opened)]
    assert found == [golden.case(name).get("format", "taming")]


@pytest.mark.parametrize("name", VQGANS)
def test_what_is_loaded_can_be_saved_in_our_format(checkpoints, name, tmp_path):
    loaded = VQGAN.from_pretrained(checkpoints(name))
    again = VQGAN.from_pretrained(loaded.save_pretrained(tmp_path))
    assert again.config == loaded.config
    assert torch.equal(again.encode(images(name, torch.float32)), loaded.encode(images(name, torch.float32)))


@pytest.mark.parametrize("name", [name for name in VQGANS if name.startswith(("diffusers", "ldm", "muse"))])
@torch.no_grad()
def test_diffusers_files_are_written_as_they_are_read(checkpoints, name, tmp_path):
    loaded = VQGAN.from_pretrained(checkpoints(name))
    loaded.save_diffusers(tmp_path)
    again = VQGAN.from_pretrained(tmp_path, format="diffusers")
    assert again.config == loaded.config
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in loaded.state_dict().items())
    if name.startswith("diffusers"):
        names = Opened(tmp_path).tensors
        assert {key: tensor.shape for key, tensor in names.items()} == {
            key: tuple(tensor.shape) for key, tensor in foreign.state_dict(name).items()
        }


def test_what_diffusers_cannot_express_is_not_written(checkpoints, tmp_path):
    vqgan = VQGAN.from_pretrained(checkpoints("llamagen_vqgan"))
    with pytest.raises(ValueError, match="unit codes"):
        vqgan.save_diffusers(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("part", ["vqvae", "vqgan", "movq"])
def test_the_tokenizer_of_a_diffusers_pipeline_is_found(checkpoints, part, tmp_path):
    shutil.copytree(checkpoints("diffusers_attention"), tmp_path / part)
    index = {"_class_name": "LDMPipeline", "_diffusers_version": "0.30.0", part: ["diffusers", "VQModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index | {"unet": ["diffusers", "UNet2DModel"]}))
    direct = VQGAN.from_pretrained(checkpoints("diffusers_attention"))
    assert VQGAN.from_pretrained(tmp_path).config == direct.config
    assert VQGAN.from_pretrained(tmp_path, subfolder=part).config == direct.config


def test_old_names_of_diffusers_attention_are_known(checkpoints, tmp_path):
    weights = foreign.state_dict("diffusers_attention")
    for new, old in {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}.items():
        weights = {name.replace(f".{new}.", f".{old}."): tensor for name, tensor in weights.items()}
    torch.save(weights, tmp_path / "diffusion_pytorch_model.bin")
    shutil.copy(checkpoints("diffusers_attention") / "config.json", tmp_path)
    direct = VQGAN.from_pretrained(checkpoints("diffusers_attention")).state_dict()
    found = VQGAN.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in direct.items())


def write_flax(name: str, path: Path) -> None:
    """A taming checkpoint as vqgan-jax converts it: "down.0" becomes "down_0", channels come last."""
    tree: dict = {}
    for key, tensor in golden.state_dict(golden.case(name)).items():
        *branches, leaf = re.sub(r"(\w+)\.(\d+)", r"\1_\2", key).split(".")
        array = tensor.numpy()
        if array.ndim == 4:
            array, leaf = array.transpose(2, 3, 1, 0), "kernel"
        elif leaf == "weight":
            leaf = "embedding" if array.ndim == 2 else "scale"
        node = tree
        for branch in branches:
            node = node.setdefault(branch, {})
        packed = msgpack.packb((array.shape, array.dtype.name, np.ascontiguousarray(array).tobytes()))
        node[leaf] = msgpack.ExtType(1, packed)
    path.write_bytes(msgpack.packb(tree))


@torch.no_grad()
def test_flax_files_give_the_originals_tokens_and_pictures(tmp_path):
    name = "taming_vqgan"
    write_flax(name, tmp_path / "flax_model.msgpack")
    vqgan = VQGAN.from_pretrained(tmp_path, dtype=torch.float64)
    tokens = vqgan.encode(images(name))
    assert tokens.tolist() == golden.case(name)["expected"]["tokens"]
    assert farthest(name, "reconstruction", vqgan.decode(tokens)) < 1e-6


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "damaged"),
        (b"\xff\xff", "no checkpoint of Flax"),
        (msgpack.packb([1, 2]), "no checkpoint of Flax"),
        (msgpack.packb({"a": 1}), "a is int, no array"),
        (msgpack.packb({"a": msgpack.ExtType(7, b"x")}), "extension of type 7"),
        (msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(((2**40,), "float32", b"1234")))}), "in 4 bytes"),
        (msgpack.packb({"a": msgpack.ExtType(1, msgpack.packb(((1,), "object", b"1234")))}), "of type 'object'"),
        (b"\xdd\xff\xff\xff\xff", "no checkpoint of Flax"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damaged_flax_files_are_errors_that_say_so(tmp_path, data, complaint):
    (tmp_path / "flax_model.msgpack").write_bytes(data)
    with pytest.raises(CheckpointError, match=complaint):
        VQGAN.from_pretrained(tmp_path)


def test_without_its_json_a_diffusers_file_loads_by_shapes(checkpoints, tmp_path):
    file = shutil.copy(checkpoints("diffusers_attention") / "diffusion_pytorch_model.safetensors", tmp_path)
    assert VQGAN.from_pretrained(file).config == VQGAN.from_pretrained(checkpoints("diffusers_attention")).config


def test_the_first_stage_of_a_diffusion_model_is_found_in_its_file(checkpoints, tmp_path):
    weights = {f"first_stage_model.{key}": tensor for key, tensor in foreign.state_dict("ldm_vqgan").items()}
    torch.save({"state_dict": weights | {"model.diffusion_model.out.2.bias": torch.zeros(3)}}, tmp_path / "model.ckpt")
    direct = VQGAN.from_pretrained(checkpoints("ldm_vqgan"))
    assert VQGAN.from_pretrained(tmp_path).config == direct.config
    weights.pop("first_stage_model.quantize.embedding.weight")
    torch.save({"state_dict": weights}, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="continuous latents"):
        VQGAN.from_pretrained(tmp_path)


def test_of_several_files_one_is_named(checkpoints, tmp_path):
    for number in range(2):
        shutil.copy(checkpoints("llamagen_vqgan"), tmp_path / f"vq_{number}.pt")
    with pytest.raises(CheckpointError, match=r"vq_0\.pt, vq_1\.pt.*filename="):
        VQGAN.from_pretrained(tmp_path)
    assert VQGAN.from_pretrained(tmp_path, filename="vq_1.pt").config.normalize_codes


def test_the_format_can_be_said(checkpoints):
    with pytest.raises(ValueError, match="Did you mean 'llamagen'"):
        VQGAN.from_pretrained(checkpoints("llamagen_vqgan"), format="lamagen")
    with pytest.raises(CheckpointError):
        VQGAN.from_pretrained(checkpoints("llamagen_vqgan"), format="taming")


@pytest.mark.parametrize(
    ("given", "complaint"), [({}, "window="), ({"window": (8, 8)}, "n_head="), ({"n_head": 4}, "window=")]
)
def test_what_llamagens_files_do_not_say_is_asked_for(checkpoints, given, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        CondGPT.from_pretrained(checkpoints("llamagen_gpt"), **given)


def test_sizes_and_heads_of_published_llamagen_models_are_known(tmp_path):
    # the last layer's number and the width tell; a file's name tells the window
    from vqgan_transformer.checkpoints.formats.llamagen import HEADS

    assert HEADS[12, 768] == 12 and HEADS[24, 3200] == 32
    weights = {"layers.23.attention_norm.weight": torch.zeros(1024)}
    weights |= {f"layers.{n}.attention.wqkv.weight": torch.zeros(1) for n in range(24)}
    weights |= {"tok_embeddings.weight": torch.zeros(16384, 1024, dtype=torch.float16)}
    weights |= {"cls_embedding.embedding_table.weight": torch.zeros(1001, 1024, dtype=torch.float16)}
    weights |= {"layers.0.feed_forward.w1.weight": torch.zeros(2816, 1024, dtype=torch.float16)}
    weights |= {"layers.0.feed_forward.w3.weight": torch.zeros(2816, 1024, dtype=torch.float16)}
    torch.save({"model": weights}, tmp_path / "c2i_L_384.pt")
    opened = Opened(tmp_path / "c2i_L_384.pt")
    config, _ = formats.FAMILIES["llamagen"].readers["CondGPT"](opened)
    assert (config.n_layer, config.n_head, config.window, config.null_token) == (24, 16, (24, 24), 1000)


@torch.no_grad()
def test_llamagens_gpt_and_tokenizer_make_a_guided_pipeline(checkpoints, tmp_path):
    shutil.copy(checkpoints("llamagen_gpt"), tmp_path)
    with pytest.raises(CheckpointError, match=r"vq_ds16_c2i\.pt"):
        ImageSynthesisPipeline.from_pretrained(tmp_path / "c2i_tiny.pt", **foreign.options("llamagen_gpt"))
    shutil.copy(checkpoints("llamagen_vqgan"), tmp_path)
    names = ["golden retriever, retriever", *(f"thing {number}" for number in range(9))]
    pipe = ImageSynthesisPipeline.from_pretrained(
        tmp_path, filename="c2i_tiny.pt", labels=names, **foreign.options("llamagen_gpt")
    )
    out = pipe(class_label="golden retriever", size=(16, 16), guidance_scale=2.0, seed=0, progress=False)
    again = pipe(class_label=0, size=(16, 16), guidance_scale=2.0, seed=0, progress=False)
    assert torch.equal(out.tokens, again.tokens)
    assert not torch.equal(out.tokens, pipe(class_label=0, size=(16, 16), seed=0, progress=False).tokens)


def test_a_thousand_classes_are_imagenets():
    from vqgan_transformer.conditions.class_names import imagenet_classes

    names = imagenet_classes()
    assert len(names) == 1000
    assert {0: "tench, Tinca tinca", 207: "golden retriever", 999: "toilet tissue, toilet paper, bathroom tissue"} == {
        number: names[number] for number in (0, 207, 999)
    }


@torch.no_grad()
def test_ibqs_averaged_weights_are_what_is_used_unless_one_asks_for_the_others(checkpoints):
    stored = foreign.state_dict("ibq_vqgan")
    used = VQGAN.from_pretrained(checkpoints("ibq_vqgan"))
    raw = VQGAN.from_pretrained(checkpoints("ibq_vqgan"), weights="raw")
    assert torch.equal(used.to_codes.weight, stored["model_ema.quant_convweight"])
    assert torch.equal(raw.to_codes.weight, stored["quant_conv.weight"])


def ibq_file(folder: Path, *, name: str, averages: bool = False, yaml: str | None = None, lightning: str | None = None):
    folder.mkdir(exist_ok=True)
    weights = foreign.state_dict("ibq_vqgan")
    kept = {key: tensor for key, tensor in weights.items() if averages or not key.startswith("model_ema.")}
    content = {"state_dict": kept} | ({"pytorch-lightning_version": lightning} if lightning else {})
    torch.save(content, folder / name)
    if yaml is not None:
        (folder / "config.yaml").write_text(yaml)
    return folder / name


FLAT = """{ddconfig: {double_z: false, z_channels: 32, resolution: 64, in_channels: 3, out_ch: 3, ch: 32, ch_mult: [1, 2, 2],
num_res_blocks: 1, attn_resolutions: [16]}, n_embed: 96, embed_dim: 16, use_entropy_loss: true, beta: 0.5}"""


@pytest.mark.parametrize(
    "signs",
    [
        {"name": "model.ckpt", "yaml": FLAT},
        {"name": "model.ckpt", "averages": True},
        {"name": "imagenet256_96.ckpt"},
        {"name": "IBQ_pretrain_16384.ckpt", "lightning": "2.2.0"},
    ],
    ids=["arguments in a yaml file", "averages", "a published name", "another published name"],
)
def test_ibq_is_told_from_the_original_by_any_of_its_signs(signs, tmp_path):
    assert VQGAN.from_pretrained(ibq_file(tmp_path, **signs)).config.quantizer == "inner_product"


def test_what_may_be_ibq_or_the_original_is_asked_for(tmp_path):
    path = ibq_file(tmp_path, name="model.ckpt", lightning="2.2.0")
    with pytest.raises(CheckpointError, match="Pass format='ibq' or format='taming'"):
        VQGAN.from_pretrained(path)
    quantizers = [VQGAN.from_pretrained(path, format=name).config.quantizer for name in ("ibq", "taming")]
    assert quantizers == ["inner_product", "nearest"]
    older = ibq_file(tmp_path / "older", name="last.ckpt", lightning="1.0.8")
    assert VQGAN.from_pretrained(older).config.quantizer == "nearest"


def test_ibqs_training_settings_are_read(tmp_path):
    config = VQGAN.from_pretrained(ibq_file(tmp_path, name="model.ckpt", yaml=FLAT)).config
    assert (config.commitment_weight, config.entropy_weight) == (0.5, 0.05)
    without = FLAT.replace("use_entropy_loss: true", "remap: used.npy")
    with pytest.raises(CheckpointError, match="remap is not supported"):
        VQGAN.from_pretrained(ibq_file(tmp_path, name="model.ckpt", yaml=without))


def test_ibq_averages_that_do_not_fit_are_named(tmp_path):
    path = ibq_file(tmp_path, name="model.ckpt", averages=True)
    content = torch.load(path)
    del content["state_dict"]["model_ema.encoderconv_outbias"]
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"none that fits encoder.conv_out.bias.*weights='raw'"):
        VQGAN.from_pretrained(path)


def test_the_documentation_has_the_table_of_families():
    page = Path(__file__).parent.parent / "docs" / "checkpoints.md"
    assert formats.table() in page.read_text(encoding="utf-8")
