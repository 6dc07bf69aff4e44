"""Where weights come from, and on which terms: what is known of it, shown, and written on."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from test_hub import contents, hub  # noqa: F401 - a fixture
from vqgan_transformer import VQGAN, ImageSynthesisPipeline, VQGANConfig
from vqgan_transformer.conversion import convert_checkpoint
from vqgan_transformer.storage.provenance import provenance

SMALL = VQGANConfig.modern(channels=8, codebook_size=16)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, bytes]:
    torch.manual_seed(0)
    files = contents(VQGAN(SMALL).save_pretrained(tmp_path_factory.mktemp("saved") / "model"))
    return {name: data for name, data in files.items() if name != "README.md"}


def card(*lines: str) -> bytes:
    return "\n".join(["---", *lines, "---", "", "# A model"]).encode()


def test_a_model_from_the_hub_says_where_it_comes_from(hub, weights):  # noqa: F811
    commit = hub.add("someone/clouds", weights | {"README.md": card("license: mit")})
    source = VQGAN.from_pretrained("someone/clouds").source
    assert (source.repository, source.revision, source.file) == ("someone/clouds", commit, "model.safetensors")
    assert source.sha256 == hashlib.sha256(weights["model.safetensors"]).hexdigest()
    assert source.licence == "mit"
    assert source.caution is None
    report = str(VQGAN.inspect("someone/clouds"))
    assert f"someone/clouds at {commit}, model.safetensors (mit)" in report


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, r"^someone/clouds states no licence: ask its authors"),
        (["tags:", "- vqgan"], "states no licence"),
        (["license: cc-by-nc-4.0"], "non-commercial use only .cc-by-nc-4.0"),
        (["license: other", "license_name: clouds-research", "license_link: LICENSE"], "clouds-research LICENSE"),
        (["license: mit", "extra_gated_prompt: Tell us who you are."], "is gated"),
    ],
    ids=["no card", "a card without licence", "non-commercial", "research, by name", "gated"],
)
def test_one_line_says_what_to_mind(hub, weights, lines, message):  # noqa: F811
    hub.add("someone/clouds", weights | ({"README.md": card(*lines)} if lines else {}))
    with pytest.warns(UserWarning, match=message) as caught:
        source = VQGAN.from_pretrained("someone/clouds").source
    assert [str(warning.message) for warning in caught] == [source.caution]
    assert source.caution in str(VQGAN.inspect("someone/clouds"))


def test_a_tag_that_misleads_has_a_remark(hub, weights):  # noqa: F811
    hub.add("deepseek-ai/Janus-Pro-1B", weights | {"README.md": card("license: mit")})
    with pytest.warns(UserWarning, match="the weights are under DeepSeek's model licence"):
        VQGAN.from_pretrained("deepseek-ai/Janus-Pro-1B")


def test_a_local_folder_warns_of_nothing(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        source = VQGAN.from_pretrained(VQGAN(SMALL).save_pretrained(tmp_path)).source
    assert (source.repository, source.revision, source.licence) == (None, None, None)
    assert source.file == "model.safetensors"


def test_the_parts_of_a_pipeline_have_their_own_files():
    pipe = ImageSynthesisPipeline.from_pretrained("builtin:scenes")
    assert pipe.source.path == pipe.vqgan.source.path.parent == pipe.gpt.source.path.parent
    assert pipe.source.sha256 is None  # several files
    assert len(pipe.vqgan.source.sha256) == 64


def test_converting_writes_where_weights_come_from(hub, weights, tmp_path):  # noqa: F811
    commit = hub.add("someone/clouds", weights | {"README.md": card("license: other", "license_name: clouds-1")})
    folder = convert_checkpoint("someone/clouds", tmp_path / "converted")
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    digest = hashlib.sha256(weights["model.safetensors"]).hexdigest()
    expected = {"repository": "someone/clouds", "revision": commit, "sha256": digest, "licence": "other: clouds-1"}
    assert {name: metadata[name] for name in expected} == expected
    text = (folder / "README.md").read_text()
    for line in ("license: other", "license_name: clouds-1", "base_model: someone/clouds", commit, digest):
        assert line in text
    assert provenance(folder).licence == "other"


@pytest.mark.parametrize(
    "text",
    ["", "---\nlicense: mit", "---\n{\n---\n", "---\n- mit\n---\n", "---\n" + "[" * 30_000 + "\n---\n", "---\nlicense: {a: b}\n---\n"],
    ids=["empty", "without end", "broken yaml", "a list", "nested", "a mapping"],
)  # fmt: skip
def test_a_card_that_cannot_be_read_states_nothing(text, tmp_path):
    (tmp_path / "README.md").write_text(text)
    assert provenance(tmp_path).licence is None


def test_a_path_into_the_cache_is_known_as_what_it_is(tmp_path):
    file = tmp_path / "models--someone--clouds" / "snapshots" / "abc" / "vq" / "model.ckpt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    source = provenance(file)
    assert (source.repository, source.revision, source.file) == ("someone/clouds", "abc", "vq/model.ckpt")
    assert Path(source.path) == file
