"""The painting page in a real browser: Debian's Chromium, driven by Playwright. Skipped where there is none.

With ``SCREENSHOTS=folder`` in the environment, what the tests see is saved there.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo_server import serving
from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.cli import main

pytest.importorskip("starlette", reason="the extra demo is not installed")
pytest.importorskip("uvicorn", reason="the extra demo is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("there is no Chromium: apt-get install chromium", allow_module_level=True)

QUIET = ["--no-sandbox", "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}
PAINTED = "#picture[data-state=painted]"


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, "--disable-component-update"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address():
    with serving(ImageSynthesisPipeline.from_pretrained("builtin:scenes")) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(browser, address):
    yield from opened(browser, address, viewport=DESK)


@pytest.fixture
def phone(browser, address):
    yield from opened(browser, address, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)


def opened(browser, address, **options):
    """A page that has painted its first picture, and that reports no error until it is closed."""
    context = browser.new_context(accept_downloads=True, **options)
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(address)
    page.wait_for_selector(PAINTED)
    yield page
    context.close()
    assert not complaints


def look(page, name: str, **options) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", **options)


def pixels(page) -> str:
    return page.evaluate("document.getElementById('picture').toDataURL()")


def label_at(page, x: int, y: int) -> str:
    """The name of the label at a pixel of the map."""
    code = f"import('/page/sheet.js').then((sheet) => sheet.map.at({x}, {y}))"
    number = page.evaluate(code)
    return page.evaluate(f"import('/page/state.js').then((state) => state.labels.labels[{number}].name)")


def stroke(page, *places: tuple[float, float], steps: int = 6) -> None:
    """Draws over the map through places in shares of its width and height."""
    box = page.locator("#overlay").bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=steps)
    page.mouse.up()


def wait_until(page, state: str) -> None:
    """Waits for a further draft or painted picture; to be called after the mark was taken off."""
    page.wait_for_selector(f"#picture[data-state={state}]")


def unmark(page) -> None:
    page.evaluate("delete document.getElementById('picture').dataset.state")


def test_a_stroke_shows_a_draft_and_then_the_picture(page):
    before = pixels(page)
    unmark(page)
    page.fill("#search", "snow")
    stroke(page, (0.3, 0.85), (0.45, 0.8))
    wait_until(page, "draft")
    drafted = pixels(page)
    assert page.locator("#draft").is_visible()
    look(page, "draft")
    wait_until(page, "painted")
    assert not page.locator("#draft").is_visible()
    assert len({before, drafted, pixels(page)}) == 3
    assert label_at(page, int(0.4 * 384), int(0.82 * 256)) == "snow"
    look(page, "desk")


def test_a_second_wish_cancels_the_first(page):
    page.uncheck("#live")
    page.select_option("#scale", "4")
    unmark(page)
    page.click("#paint")
    page.wait_for_selector("#status:has-text('painting')")
    page.select_option("#scale", "1")
    page.click("#paint")
    wait_until(page, "painted")
    assert page.evaluate("document.getElementById('picture').width") == 384
    page.click("#paint")
    page.click("#stop")
    assert page.inner_text("#status") == "stopped"


def test_undo_and_redo_by_keys_and_each_tool_leaves_whole_labels(page):
    page.uncheck("#live")
    page.fill("#search", "sand")
    page.locator("#overlay").focus()
    before = label_at(page, 190, 230)
    page.keyboard.press("f")
    stroke(page, (0.02, 0.95))
    assert label_at(page, 8, 243) == "sand"
    page.keyboard.press("z")
    assert label_at(page, 8, 243) == "grass"
    page.keyboard.press("y")
    assert label_at(page, 8, 243) == "sand"
    page.keyboard.press("Control+z")
    page.keyboard.press("l")
    stroke(page, (0.1, 0.9), (0.9, 0.9))
    assert label_at(page, 190, 230) == "sand" != before
    page.keyboard.press("g")
    for place in ((0.7, 0.1), (0.9, 0.1), (0.9, 0.3), (0.7, 0.3)):
        stroke(page, place)
    page.keyboard.press("Enter")
    assert label_at(page, int(0.8 * 384), int(0.2 * 256)) == "sand"
    page.keyboard.press("i")
    stroke(page, (0.5, 0.02))
    assert page.locator("#labels [aria-selected=true]").count() == 0 or "sky" in page.inner_text(
        "#labels [aria-selected=true]"
    )
    page.keyboard.press("e")
    stroke(page, (0.5, 0.05))
    assert page.evaluate("import('/page/sheet.js').then((sheet) => sheet.map.at(192, 13))") == 255
    unmark(page)
    page.click("#paint")  # unlabelled pixels are left to the model
    wait_until(page, "painted")


def test_the_map_is_painted_by_keys_alone(page):
    page.uncheck("#live")
    page.locator("#labels").focus()
    page.keyboard.press("ArrowDown")
    chosen = page.inner_text("#labels [aria-selected=true]")
    page.locator("#overlay").focus()
    for key in ("ArrowLeft", "ArrowUp", "]", "["):
        page.keyboard.press(key)
    page.keyboard.press(" ")
    x, y = page.evaluate("import('/page/state.js').then((state) => state.state.cursor)")
    assert label_at(page, x, y) == chosen
    page.keyboard.press("Shift+ArrowRight")
    assert page.inner_text("#where").endswith(f": {chosen}")  # what a screen reader says
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    look(page, "help")


def test_somebody_is_placed_and_posed(page):
    page.click("[data-layer=people]")
    unmark(page)
    stroke(page, (0.5, 0.6))
    wait_until(page, "painted")
    people = page.evaluate("import('/page/state.js').then((state) => state.people.list)")
    assert [len(person) for person in people] == [17]
    x, y = people[0][9][:2]  # the left wrist
    stroke(page, ((x + 0.5) / 384, (y + 0.5) / 256), ((x + 40.5) / 384, (y - 59.5) / 256))
    moved = page.evaluate("import('/page/state.js').then((state) => state.people.list)")
    assert np.abs(np.array(moved[0][9][:2]) - [x + 40, y - 60]).max() <= 1
    assert moved[0][10] == people[0][10]
    unmark(page)
    wait_until(page, "painted")
    look(page, "people")


def test_depth_is_brushed(page):
    page.click("[data-layer=depth]")
    unmark(page)
    stroke(page, (0.2, 0.5), (0.4, 0.5))
    assert page.is_checked("#use-depth")
    assert page.evaluate("import('/page/sheet.js').then((sheet) => sheet.depth.at(115, 128))") == 200
    wait_until(page, "painted")
    look(page, "depth")


def test_what_is_saved_paints_the_same_picture_and_loads_again(page, tmp_path):
    for name in ("save-map", "save-settings", "save-picture"):
        with page.expect_download() as download:
            page.click(f"#{name}")
        download.value.save_as(tmp_path / download.value.suggested_filename)
    told = json.loads((tmp_path / "settings.json").read_text())
    assert (told["command"], told["model"]) == ("sample", "builtin:scenes")
    ids = Image.open(tmp_path / "segmentation.png")
    assert ids.mode == "L" and ids.size == (384, 256)
    again = tmp_path / "again.png"
    assert main(["sample", "--config", str(tmp_path / "settings.json"), "--output", str(again)]) == 0
    assert (np.asarray(Image.open(again)) == np.asarray(Image.open(tmp_path / "picture.png").convert("RGB"))).all()

    labels = np.full((64, 128), 177, np.uint8)
    Image.fromarray(labels).save(tmp_path / "mine.png")
    unmark(page)
    page.set_input_files("#load-map", tmp_path / "mine.png")
    wait_until(page, "painted")
    assert page.evaluate("document.getElementById('picture').width") == 128
    assert page.evaluate("import('/page/sheet.js').then((sheet) => sheet.map.at(3, 3))") == 177


def test_a_photo_is_kept_outside_the_marked_area(page, tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    page.uncheck("#live")
    page.click("[data-layer=photo]")
    page.set_input_files("#photo", tmp_path / "photo.png")
    page.wait_for_selector("#map[width='128']")
    page.check("#complete")
    stroke(page, (0.5, 0.5), (0.6, 0.5))
    unmark(page)
    page.click("#paint")
    wait_until(page, "painted")
    row = page.evaluate("[...document.getElementById('picture').getContext('2d').getImageData(0, 0, 128, 1).data]")
    assert (np.reshape(row, (128, 4))[:, :3] == photo[0]).all()
    look(page, "photo")


def test_a_phone_shows_everything_below_each_other(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    look(phone, "phone", full_page=True)
    unmark(phone)
    box = phone.locator("#overlay").bounding_box()
    phone.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.8)
    wait_until(phone, "painted")


def test_reloading_begins_anew_and_dark_colours_can_be_chosen(page):
    page.click("#theme")
    assert page.evaluate("document.documentElement.className") in ("dark", "light")
    page.reload()
    page.wait_for_selector(PAINTED)
    assert page.evaluate("document.documentElement.className") in ("dark", "light")
    look(page, "dark")
