"""The server of the painting page: what it paints, who may ask, whose turn it is, and what it withstands."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra demo is not installed")
pytest.importorskip("uvicorn", reason="the extra demo is not installed")

from demo_server import Painting, ask, form, picture, png, serving
from vqgan_transformer import ImageSynthesisPipeline
from vqgan_transformer.demo import DemoConfig
from vqgan_transformer.scenes import make_scene

SIZE = (64, 96)
LARGE = {"size": [1024, 1024], "class_label": 3}  # takes long enough to be stopped


@pytest.fixture(scope="module")
def pipe():
    return ImageSynthesisPipeline.from_pretrained("builtin:scenes")


@pytest.fixture(scope="module")
def labels():
    return make_scene(3, SIZE).segmentation


@pytest.fixture(scope="module")
def port(pipe):
    with serving(pipe) as port:
        yield port


def test_what_is_painted_is_what_a_call_paints(port, pipe, labels):
    settings = {"seed": 5, "class_label": "winter dusk", "top_k": 50}
    events = list(Painting(port, settings, segmentation=png(labels)).events())
    kinds = [kind for kind, _ in events]
    assert kinds[0] == "started" and kinds[-1] == "result" and set(kinds[1:-1]) <= {"preview"}
    result = events[-1][1]
    expected = pipe(segmentation=labels, **settings, progress=False, output_type="np").images[0]
    assert (picture(result["image"]) == expected).all()
    assert (result["seed"], result["draft"], result["top"], result["left"]) == (5, False, 0, 0)


def test_previews_are_strips_of_the_picture_to_come(pipe, labels, monkeypatch):
    monkeypatch.setattr("vqgan_transformer.demo.drawing.PREVIEW_SECONDS", 0.0)
    with serving(pipe) as port:
        events = list(Painting(port, {"seed": 5}, segmentation=png(labels)).events())
    strips = [data for kind, data in events if kind == "preview" and "image" in data]
    result = picture(events[-1][1]["image"]).astype(int)
    assert [data["drawn"] for kind, data in events if kind == "preview"] == sorted(
        {d["drawn"] for k, d in events if k == "preview"}
    )
    assert [strip["top"] for strip in strips][:1] == [0] and len(strips) > 1
    shown = np.concatenate([picture(strip["image"]) for strip in strips]).astype(int)
    assert [strip["top"] for strip in strips] == list(np.cumsum([0, *(len(picture(s["image"])) for s in strips)]))[:-1]
    # JPEGs, the last row of each not yet as it will be beside the next: how near depends on the moment they are shown
    assert 3 * abs(shown - result[: len(shown)]).mean() < abs(shown[::-1] - result[: len(shown)]).mean()


def test_poses_and_depth_go_along(port, pipe):
    scene = make_scene(1, SIZE, people=1)
    near = np.rint(scene.depth / scene.depth.max() * 255).astype(np.uint8)
    settings = {"seed": 1, "keypoints": np.asarray(scene.keypoints).tolist(), "keypoints_size": list(SIZE)}
    kind, result = Painting(port, settings, depth=png(near)).last()
    assert kind == "result", result
    expected = pipe(
        depth=near, keypoints=np.asarray(scene.keypoints), keypoints_size=SIZE, seed=1, progress=False, output_type="np"
    )
    assert (picture(result["image"]) == expected.images[0]).all()


def test_a_draft_changes_only_what_the_stroke_reaches(port, pipe):
    scene = make_scene(3, (256, 320))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pipe(segmentation=scene.segmentation, seed=2, progress=False, output_type="np").images[0]
    area = np.zeros((256, 320), bool)
    area[120:136, 150:170] = True
    changed = np.where(area, 156, scene.segmentation)
    parts = {"picture": png(before), "area": png(area * 255), "segmentation": png(changed)}
    kind, result = Painting(port, {"seed": 2}, **parts).last()
    assert kind == "result" and result["draft"], result
    part = picture(result["image"])
    (top, left), (height, width) = (result["top"], result["left"]), part.shape[:2]
    assert height < 256 and width < 320  # not all is drawn
    inside = before[top : top + height, left : left + width]
    differs = (part != inside).any(-1)
    rows, columns = np.nonzero(differs)
    assert rows.min() + top >= 120 - 16 and rows.max() + top < 136 + 16  # two tokens around the stroke
    assert columns.min() + left >= 150 - 16 and columns.max() + left < 170 + 16
    assert differs[120 - top : 136 - top, 150 - left : 170 - left].mean() > 0.9


def test_the_newest_wish_of_a_page_wins(port, labels):
    first = Painting(port, LARGE, session="page", segmentation=png(labels[:64, :64]))
    events = first.events()
    assert next(name for name, _ in events if name != "queued") == "started"
    began = time.monotonic()
    second = Painting(port, {"seed": 1}, session="page", segmentation=png(labels))
    assert second.last()[0] == "result"
    assert time.monotonic() - began < 30
    assert list(events)[-1] == ("cancelled", {"reason": "a newer one was asked for"})


def test_others_wait_for_their_turn_and_are_told_their_place(pipe, labels):
    with serving(pipe, max_waiting=2) as port:
        running = Painting(port, LARGE, session="a", segmentation=png(labels[:64, :64]))
        assert next(running.events())[0] == "started"
        waiting = [Painting(port, {"seed": seed}, segmentation=png(labels)) for seed in range(2)]
        streams = [painting.events() for painting in waiting]
        assert [next(stream) for stream in streams] == [("queued", {"place": 1}), ("queued", {"place": 2})]
        full = Painting(port, {}, segmentation=png(labels))
        assert full.answer.status == 503 and b"2 drawings are waiting" in full.answer.read()
        running.connection.close()
        running.answer.close()  # nobody reads any more, so the others come on
        last = [list(stream) for stream in streams]
        assert [events[-1][0] for events in last] == ["result", "result"]
        assert ("queued", {"place": 1}) in last[1]


def test_a_page_that_is_closed_holds_nothing(port, labels):
    left = Painting(port, LARGE, segmentation=png(labels[:64, :64]))
    assert next(name for name, _ in left.events() if name != "queued") == "started"
    left.answer.close()
    left.connection.close()
    began = time.monotonic()
    assert Painting(port, {"seed": 1}, segmentation=png(labels)).last()[0] == "result"
    assert time.monotonic() - began < 30


def test_a_drawing_that_takes_too_long_ends(pipe, labels):
    with serving(pipe, max_seconds=0.2) as port:
        kind, data = Painting(port, LARGE, segmentation=png(labels[:64, :64])).last()
    assert kind == "error" and "longer than 0.2 s" in data["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "]["}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another port is another page
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "localhost"}, 200),
    ],
)
def test_other_pages_and_rebound_names_may_not_ask(port, labels, headers, status):
    body, own = form({"seed": 0}, segmentation=png(labels))
    assert ask(port, "POST", "/paint", body, own | headers)[0] == status


def test_with_a_token_the_page_is_open_and_the_model_is_not(pipe, labels):
    with serving(pipe, token="secret") as port:
        assert ask(port, "GET", "/")[0] == ask(port, "GET", "/page/main.js")[0] == 200
        assert ask(port, "GET", "/model")[0] == 401
        assert ask(port, "GET", "/page/../model")[0] in (401, 404)
        assert ask(port, "GET", "/model", headers={"Authorization": "Bearer wrong"})[0] == 401
        assert ask(port, "GET", "/model", headers={"Authorization": "Bearer secret"})[0] == 200


def test_the_page_asks_no_outside_host(port):
    status, page = ask(port, "GET", "/")
    assert status == 200 and b"http://" not in page.replace(b"http://www.w3.org", b"") and b"https://" not in page
    status, description = ask(port, "GET", "/openapi.json")
    interface = json.loads(description)
    fields = interface["paths"]["/paint"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"][
        "properties"
    ]
    assert {"settings", "session", "segmentation", "depth", "image", "mask", "picture", "area"} <= set(fields)


@pytest.mark.parametrize(
    ("settings", "files", "complaint"),
    [
        ("{", {}, "no JSON"),
        ("[" * 100_000, {}, "no JSON"),
        ("[]", {}, "JSON object"),
        ({"sead": 1}, {}, "Did you mean 'seed'?"),
        ({"segmentation": "/etc/passwd"}, {}, "sent as a file"),
        ({"keypoints": ["/etc/passwd"]}, {}, "sent as a file"),
        ({"keypoints": [{"keypoints": "/etc/passwd"}]}, {}, "sent as a file"),
        ({"image": "/etc/passwd"}, {}, "no option here"),
        ({"callback": 1}, {}, "no option here"),
        ({"size": [100_000, 100_000]}, {}, "at most"),
        ({"size": "large"}, {}, "[height, width]"),
        ({"num_candidates": 1000}, {}, "at most 16"),
        ({}, {"segmentatoin": b"x"}, "Did you mean 'segmentation'?"),
        ({}, {"segmentation": b"no picture"}, "no picture"),
        ({}, {"segmentation": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"}, "no picture"),
        ({}, {"segmentation": png(np.zeros((3000, 3000)))}, "Make it smaller"),
        ({}, {"picture": png(np.zeros((8, 8)))}, "both picture and area"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_the_reason(port, settings, files, complaint):
    body, headers = form(settings, **files)
    status, answer = ask(port, "POST", "/paint", body, headers)
    assert status == 400 and complaint in json.loads(answer)["error"]


def test_mistakes_that_the_pipeline_finds_are_told_as_an_event(port):
    kind, data = Painting(port, {}, segmentation=png(np.full((16, 16), 200))).last()
    assert kind == "error" and "label" in data["message"]


def test_bodies_are_bounded_with_and_without_their_length(pipe):
    with serving(pipe, max_upload=100_000) as port:
        body, headers = form({}, segmentation=b"x" * 200_000)
        assert ask(port, "POST", "/paint", body, headers)[0] == 413
        chunked = {**headers, "Transfer-Encoding": "chunked"}
        with socket.create_connection(("127.0.0.1", port)) as raw:
            head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "127.0.0.1", **chunked}.items())
            raw.sendall(f"POST /paint HTTP/1.1\r\n{head}\r\n".encode())
            for start in range(0, len(body), 50_000):
                part = body[start : start + 50_000]
                raw.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            assert b"413" in raw.recv(1000).split(b"\r\n")[0]
        assert ask(port, "POST", "/paint", b"{}", {"Content-Type": "application/json"})[0] == 400
        assert ask(port, "POST", "/paint", b"garbage", {"Content-Type": "multipart/form-data; boundary=x"})[0] == 400


def test_maps_are_read_as_the_condition_reads_them(port):
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[:2] = (6, 230, 230)  # ADE20K's sky
    colours[2:] = (4, 250, 7)  # and its grass
    body, headers = form({"palette": "ade20k"}, file=png(colours))
    status, answer = ask(port, "POST", "/read/segmentation", body, headers)
    assert status == 200
    ids = np.frombuffer(answer, "<u2").reshape(4, 6)
    model = json.loads(ask(port, "GET", "/model")[1])
    names = {label["id"]: label["name"] for label in model["conditions"][0]["labels"]}
    assert (names[ids[0, 0]], names[ids[3, 5]]) == ("sky-other", "grass")
    body, headers = form({"palete": 1}, file=png(colours))
    assert ask(port, "POST", "/read/segmentation", body, headers)[0] == 400
    assert ask(port, "POST", "/read/nothing", body, headers)[0] == 400


def test_a_reader_who_does_not_read_is_left(monkeypatch):
    from vqgan_transformer.demo import event_stream
    from vqgan_transformer.demo.desk import Job

    monkeypatch.setattr(event_stream, "READ_SECONDS", 0.05)
    left = []

    async def never(*_):
        await asyncio.sleep(3600)

    async def scene():
        job = Job(lambda job: {})
        job.run()
        await asyncio.wait_for(event_stream.EventStream(job, lambda: left.append(True))({}, never, never), 5)

    asyncio.run(scene())
    assert left


def test_a_pipeline_may_be_called_from_several_threads(pipe, labels):
    def paint(seed):
        return pipe(segmentation=labels, seed=seed, progress=False, output_type="np").images[0]

    alone = [paint(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(paint, range(4)))
    assert all((first == second).all() for first, second in zip(alone, together, strict=True))


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="reads /proc")
def test_fifty_clients_at_once_are_answered_in_order_and_memory_stays(pipe):
    labels = np.full((16, 16), 156)
    answers, lock = [], threading.Lock()

    def client(number: int) -> str:
        if number % 10 == 7:
            return str(
                ask(port, "POST", "/paint", b"\x00" * 1000, {"Content-Type": "multipart/form-data; boundary=q"})[0]
            )
        if number % 10 == 8:
            return str(ask(port, "POST", "/paint", *form({}, segmentation=b"x" * 2**21))[0])
        painting = Painting(port, {"seed": number}, segmentation=png(labels))
        if number % 10 == 9:  # goes away at once
            painting.answer.close()
            painting.connection.close()
            return "gone"
        kind, data = painting.last()
        with lock:
            answers.append(data.get("seed"))
        return kind

    with serving(pipe, max_waiting=50, max_upload=2**20) as port:
        assert Painting(port, {"seed": 0}, segmentation=png(labels)).last()[0] == "result"
        before = resident()
        with ThreadPoolExecutor(50) as clients:
            told = []
            for number in range(50):
                told.append(clients.submit(client, number))
                time.sleep(0.01)  # so that the order of asking is known
            kinds = [answer.result(timeout=120) for answer in told]
        after = resident()
        assert Painting(port, {"seed": 0}, segmentation=png(labels)).last()[0] == "result"  # it is still there
    expected = {7: "400", 8: "413", 9: "gone"}
    assert kinds == [expected.get(number % 10, "result") for number in range(50)]
    displaced = [abs(place - rank) for rank, place in enumerate(np.argsort(np.argsort(answers)))]
    assert max(displaced) <= 3  # requests that arrive together may change places
    assert after - before < 200 * 2**20


def test_settings_of_the_page_are_checked():
    with pytest.raises(ValueError, match="port"):
        DemoConfig(port=70_000)
    with pytest.raises(ValueError, match="max_waiting"):
        DemoConfig(max_waiting=0)
