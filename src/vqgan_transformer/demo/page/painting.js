// When the server is asked to paint, what it is sent, and what its answers do.

import { Raster } from "./raster.js";
import { grayPng } from "./png.js";
import { $, byName, classes, labels, people, say, state } from "./state.js";
import { area, depth, history, map } from "./sheet.js";
import * as server from "./server.js";

const REST = 900; // milliseconds without a stroke after which the picture is painted anew
const WITHIN = 250; // milliseconds between drafts while a stroke goes on

let rest, running = null, drafting = null, lastDraft = 0;

export function stroked() {
  lookAgain();
  clearTimeout(rest);
  if (!$("live").checked) return;
  if (state.layer !== "people") drafting = draft();
  const own = (rest = setTimeout(async () => {
    await drafting; // the draft is nearly there; what comes after it is the whole
    if (rest === own) paint();
  }, REST));
}

export function during() {
  if ($("live").checked && !running && performance.now() - lastDraft > WITHIN) drafting = draft();
}

export function lookAgain() {
  $("undo").disabled = !history.past.length;
  $("redo").disabled = !history.future.length;
}

async function draft() {
  const canvas = $("picture"), small = state.dirty && (state.dirty[2] - state.dirty[0]) * (state.dirty[3] - state.dirty[1]) < 0.5 * map.width * map.height;
  if (!state.painted || !small || state.complete || canvas.width !== map.width * scale()) return;
  lastDraft = performance.now();
  const box = state.dirty, form = await order();
  const marked = new Raster(canvas.width, canvas.height, 0), times = scale();
  for (let y = box[1] * times; y < (box[3] + 1) * times; y++) marked.data.fill(255, y * marked.width + box[0] * times, y * marked.width + (box[2] + 1) * times);
  form.append("area", await grayPng(marked.data, marked.width, marked.height), "area.png");
  form.append("picture", await new Promise((done) => canvas.toBlob(done, "image/png")), "picture.png");
  await ask(form, () => {
    if (state.dirty === box) state.dirty = null;
  });
}

export async function paint() {
  clearTimeout(rest);
  state.dirty = null;
  await ask(await order());
}

async function ask(form, finished = () => {}) {
  running?.abort();
  const own = (running = new AbortController());
  say("asking …");
  try {
    await server.paint(form, (kind, data) => running === own && heard(kind, data, finished), own.signal);
  } catch (error) {
    if (error.name !== "AbortError" && running === own) say(error.message, true);
  }
  if (running === own) running = null;
}

async function heard(kind, data, finished) {
  const canvas = $("picture"), pen = canvas.getContext("2d");
  if (kind === "queued") say(`waiting: ${data.place} before this one`);
  if (kind === "started") say("painting …");
  if (kind === "preview") {
    $("progress").value = data.drawn / data.total;
    if (data.image) {
      const strip = await picture(data.image);
      fitPicture();
      pen.drawImage(strip, 0, data.top);
    }
  }
  if (kind === "result") {
    const image = await picture(data.image);
    if (!data.draft) {
      Object.assign(canvas, { width: image.width, height: image.height });
      state.painted = data.image;
    }
    pen.drawImage(image, data.left, data.top);
    $("draft").hidden = !data.draft;
    $("progress").value = data.draft ? 0 : 1;
    $("notes").textContent = data.notes.join(" ");
    say(`${data.draft ? "draft" : "painted"} in ${data.seconds.toFixed(1)} s`);
    canvas.dataset.state = data.draft ? "draft" : "painted";
    finished();
  }
  if (kind === "cancelled") say("stopped");
  if (kind === "error") say(data.message, true);
}

export async function picture(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}

function fitPicture() {
  const canvas = $("picture"), times = scale();
  if (canvas.width === map.width * times && canvas.height === map.height * times) return;
  const before = new OffscreenCanvas(canvas.width, canvas.height);
  before.getContext("2d").drawImage(canvas, 0, 0);
  Object.assign(canvas, { width: map.width * times, height: map.height * times });
  canvas.getContext("2d").drawImage(before, 0, 0, canvas.width, canvas.height);
}

/** Ends what is being painted. */
export function stop() {
  clearTimeout(rest);
  running?.abort();
  running = null;
  say("stopped");
}

/** Paints soon, unless something is drawn before. */
export function paintSoon() {
  clearTimeout(rest);
  if ($("live").checked) rest = setTimeout(paint, 200);
}

export function scale() {
  return +$("scale").value || 1;
}

export function settings() {
  const chosen = { size: [map.height * scale(), map.width * scale()], seed: +$("seed").value };
  if (classes && $("class").value) chosen[classes.name] = $("class").value;
  for (const [id, name] of [["guidance", "guidance_scale"], ["temperature", "temperature"]]) {
    if ($(id).value !== "") chosen[name] = +$(id).value;
  }
  chosen.top_k = $("top-k").value === "" ? null : +$("top-k").value;
  if (labels?.unlabelled != null && map.data.includes(labels.unlabelled)) chosen.unlabelled = labels.unlabelled;
  if (byName.keypoints && people.list.length) {
    chosen.keypoints = people.list;
    chosen.keypoints_size = [map.height, map.width];
    if (byName.keypoints.options.includes("label_limbs")) chosen.label_limbs = true; // people need not be drawn into the labels
  }
  return chosen;
}

export async function files() {
  const maps = {};
  if (labels) maps[labels.name] = await grayPng(map.data, map.width, map.height);
  if (byName.depth && state.depthUsed) maps.depth = await grayPng(depth.data, depth.width, depth.height);
  if (state.photo && state.complete) {
    const shown = new OffscreenCanvas(map.width * scale(), map.height * scale());
    shown.getContext("2d").drawImage(state.photo, 0, 0, shown.width, shown.height);
    maps.image = await shown.convertToBlob({ type: "image/png" });
    const marked = new Raster(shown.width, shown.height);
    for (let y = 0; y < marked.height; y++) for (let x = 0; x < marked.width; x++) {
      marked.data[y * marked.width + x] = area.at(Math.floor(x / scale()), Math.floor(y / scale())) ? 255 : 0;
    }
    maps.mask = await grayPng(marked.data, marked.width, marked.height);
  }
  return maps;
}

async function order() {
  const form = new FormData();
  form.append("settings", JSON.stringify(settings()));
  for (const [name, blob] of Object.entries(await files())) form.append(name, blob, `${name}.png`);
  return form;
}

