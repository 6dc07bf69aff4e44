"""Pictures in and out: what is accepted, what becomes of it, and what is refused with which words."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from vqgan_transformer.images import (
    LARGEST_PICTURE,
    from_pixels,
    open_picture,
    split_alpha,
    to_numpy,
    to_pil,
    to_pixels,
)

PIXELS = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3) * 10
EXPECTED = torch.from_numpy(PIXELS).permute(2, 0, 1)[None].float() / 127.5 - 1


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "given",
    [
        Image.fromarray(PIXELS),
        Image.fromarray(PIXELS).convert("RGBA"),
        PIXELS,
        PIXELS[None],
        PIXELS.astype(np.float32) / 255,
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        EXPECTED[0],
        EXPECTED.double(),
    ],
    ids=["pil", "opaque-rgba", "uint8", "uint8-batch", "float-0-to-1", "uint8-tensor", "tensor", "float64-tensor"],
)
def test_every_form_gives_the_same_values(given):
    tensor = from_pixels(given)
    assert tensor.dtype == torch.float32
    assert torch.allclose(tensor, EXPECTED, atol=1e-6)


def test_a_path_and_a_list(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    both = from_pixels([tmp_path / "a.png", str(tmp_path / "a.png")])
    assert torch.equal(both, EXPECTED.expand(2, -1, -1, -1))


def test_gray_and_palette_pictures_become_rgb():
    gray = Image.fromarray(PIXELS[..., 0])
    assert torch.equal(from_pixels(gray), EXPECTED[:, :1].expand(-1, 3, -1, -1))
    few = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], dtype=np.uint8))
    assert torch.equal(from_pixels(few.convert("P", palette=Image.Palette.ADAPTIVE)), from_pixels(few))


@pytest.mark.parametrize("shape", [(2, 4), (2, 4, 1), (1, 2, 4, 1)])
def test_gray_arrays_become_rgb(shape):
    expected = EXPECTED[:, :1].expand(-1, 3, -1, -1)
    assert torch.equal(from_pixels(PIXELS[..., 0].reshape(shape)), expected)
    as_tensor = torch.from_numpy(PIXELS[..., 0]).reshape(shape if len(shape) == 2 else (*shape[:-3], 1, 2, 4))
    assert torch.equal(from_pixels(as_tensor), expected)


def test_a_tensor_without_dark_places_is_pointed_out():
    with pytest.warns(UserWarning, match=r"from 0 to 1, read as \[-1, 1\].*2 \* tensor - 1"):
        assert from_pixels(torch.eye(4)).min() == 0


def test_all_8_bit_values_survive():
    values = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    tensor = from_pixels(values)
    assert np.array_equal(to_numpy(tensor)[0], values)
    assert np.array_equal(np.asarray(to_pil(tensor)[0]), values)


def test_output_is_rounded_and_clipped():
    x = torch.tensor([-3.0, -1.0, -0.9961, -0.9960, 0.0, 1.0, 7.0]).reshape(1, 1, 1, 7).expand(1, 3, 1, 7)
    assert to_pixels(x, "np")[0, 0, :, 0].tolist() == [0, 0, 0, 1, 128, 255, 255]
    assert to_pixels(x, "pt").aminmax() == (-1, 1)


def test_exif_orientation_is_applied(tmp_path):
    picture = Image.fromarray(PIXELS)
    exif = picture.getexif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    assert torch.allclose(from_pixels(tmp_path / "turned.png"), torch.rot90(EXPECTED, -1, (2, 3)))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "empty list"),
        (3.5, TypeError, "path, a PIL picture, a numpy array"),
        (PIXELS.astype(np.int64), TypeError, r"uint8 array \(0–255\) or a float array in \[0, 1\], got int64"),
        (PIXELS.astype(np.float32), ValueError, r"values from 0 to 230; float numpy arrays are read as \[0, 1\]"),
        (PIXELS / 127.5 - 1, ValueError, r"tensors \[-1, 1\]"),
        (EXPECTED * 2, ValueError, r"float tensors are read as \[-1, 1\]"),
        (torch.full((3, 4, 4), float("nan")), ValueError, "not finite"),
        (np.array([[[0, np.inf, -np.inf]]]), ValueError, "not finite"),
        (np.array([[[0, np.nan, 0]]]), ValueError, "not finite"),
        (torch.zeros(3, 4, 4, dtype=torch.bool), TypeError, "got torch.bool"),
        (PIXELS.transpose(2, 0, 1), ValueError, "channels last"),
        (torch.zeros(4, 5, 3), ValueError, "channels first"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"got \(0, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"should have the shape \(H, W, 3\)"),
        (np.zeros(4, np.uint8), ValueError, r"should have the shape \(H, W, 3\) or \(B, H, W, 3\), got \(4,\)"),
        ([PIXELS, PIXELS[:1]], ValueError, r"different sizes .*\(1, 4\), \(2, 4\)"),
        (Image.new("RGBA", (2, 2), (9, 9, 9, 0)), ValueError, "100.0% of image are transparent"),
        (Image.new("F", (2, 2)), ValueError, "PIL mode 'F'"),
    ],
)
def test_what_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        from_pixels(given)


def test_bad_files(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:3000])
    (tmp_path / "text.png").write_text("no picture")
    for name, error, message in [
        ("cut.png", ValueError, "cut.png is damaged or cut short"),
        ("text.png", ValueError, "no readable picture"),
        ("none.png", FileNotFoundError, "there is no file"),
        (".", IsADirectoryError, "is a folder"),
    ]:
        with pytest.raises(error, match=message):
            open_picture(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="not downloaded"):
        open_picture("https://example.org/a.png")


@pytest.mark.parametrize("side", [8193, 9500, 60000], ids=["past-ours", "past-the-warning", "past-the-error"])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_unread(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(ValueError, match=rf"bomb.png is too large .*{LARGEST_PICTURE:,} pixels"):
        from_pixels(tmp_path / "bomb.png")


@pytest.mark.parametrize("call", [to_numpy, to_pil, lambda x: to_pixels(x, "pt")])
def test_outputs_of_another_shape_are_refused(call):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), got \(3, 4, 4\)"):
        call(torch.zeros(3, 4, 4))


def test_an_unknown_output_type_is_refused():
    with pytest.raises(ValueError, match="'jpeg'"):
        to_pixels(torch.zeros(1, 3, 4, 4), "jpeg")


def png(picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()


def test_bytes_open_files_and_home_are_understood(tmp_path, monkeypatch):
    content = png(Image.fromarray(PIXELS))
    (tmp_path / "a.png").write_bytes(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    with (tmp_path / "a.png").open("rb") as file:
        for source in (content, bytearray(content), io.BytesIO(content), file, "~/a.png"):
            assert torch.equal(from_pixels(source), EXPECTED)
    with pytest.raises(TypeError, match="'rb'"):
        from_pixels(io.StringIO("text"))
    with pytest.raises(ValueError, match=r"base64\.b64decode"):
        from_pixels("data:image/png;base64," + "A" * 5000)
    with pytest.raises(ValueError, match="cannot be opened") as caught:
        from_pixels("a" * 5000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", b"%PDF-1.7\n"])
def test_programs_that_draw_are_not_run(tmp_path, monkeypatch, content):
    started = tmp_path / "started"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {started}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(ValueError, match="PostScript, PDF"):
        open_picture(tmp_path / "photo.png")
    if content.startswith(b"%!PS"):
        (tmp_path / "a.eps").write_bytes(content + b"%%EndComments\nshowpage\n%%EOF\n")
        with pytest.raises(ValueError, match="PostScript, PDF"):
            open_picture(Image.open(tmp_path / "a.eps"))
    assert not started.exists()


def webp_header(width: int, height: int) -> bytes:
    """An animated WebP that claims a canvas, and has no frame."""
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def test_a_large_canvas_of_an_animation_is_refused_before_memory_is_reserved():
    with pytest.raises(ValueError, match="too large"):
        open_picture(webp_header(16384, 16384))


def test_colours_are_converted_to_srgb():
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert torch.equal(from_pixels(png(Image.fromarray(PIXELS), icc_profile=srgb())), EXPECTED)
    with pytest.warns(UserWarning, match="cannot be read"):
        assert torch.equal(from_pixels(png(Image.fromarray(PIXELS), icc_profile=b"nonsense" * 20)), EXPECTED)
    with pytest.warns(UserWarning, match="cannot be read"):  # a profile of another kind of colours
        from_pixels(png(Image.fromarray(PIXELS), icc_profile=linear))


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_wide_gamut_profile_changes_the_numbers():
    profile = bytearray(srgb())
    # red and green change places: what the file calls red is green
    table = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * 20, 12)}
    red, green = table[b"rXYZ"], table[b"gXYZ"]
    profile[red + 4 : red + 8], profile[green + 4 : green + 8] = (
        profile[green + 4 : green + 8],
        profile[red + 4 : red + 8],
    )
    profile = bytes(profile).replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be")).replace(b"sRGB", b"swap")
    picture = Image.new("RGB", (2, 2), (255, 0, 0))
    assert from_pixels(png(picture, icc_profile=profile))[0, :, 0, 0].tolist() == pytest.approx([-1, 1, -1], abs=0.02)


def test_deep_pictures_are_refused_with_the_advice_to_scale_them():
    with pytest.raises(ValueError, match="/ 65535"):
        from_pixels(Image.fromarray(np.zeros((2, 2), np.uint16)))


def test_the_transparent_area_and_the_picture():
    pixels = np.dstack((PIXELS, np.array([[0, 100, 200, 255]] * 2, np.uint8)))
    for source in (pixels, Image.fromarray(pixels), png(Image.fromarray(pixels))):
        picture, area = split_alpha(source)
        assert torch.equal(picture, EXPECTED)
        assert area.tolist() == [[[True, True, False, False]] * 2]
    with pytest.raises(ValueError, match="without transparency"):
        split_alpha(Image.fromarray(PIXELS))


def test_warnings_show_the_line_of_the_program_that_called():
    with pytest.warns(UserWarning) as caught:
        from_pixels(torch.eye(4))
    assert caught[0].filename == __file__
