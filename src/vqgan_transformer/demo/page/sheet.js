// The sheet: the grids that are drawn on, how they look, and undoing.

import { History, Raster } from "./raster.js";
import { View } from "./view.js";
import { $, about, labels, people, state } from "./state.js";
import { scales } from "./panels.js";

export const view = new View($("stage"), $("sheet"), $("map"), $("overlay"));
export let map, depth, area;

export const colours = {};
for (const label of labels?.labels ?? []) {
  const [r, g, b] = [1, 3, 5].map((start) => parseInt(label.colour.slice(start, start + 2), 16));
  colours[label.id] = (b << 16) | (g << 8) | r;
}

export function newSheet(width, height, ids = null) {
  map = new Raster(width, height, about.start.ground ?? 0);
  if (ids) map.data.set(ids);
  else landscape();
  depth = new Raster(width, height, 0);
  depthRamp();
  area = new Raster(width, height, 0);
  people.list = [];
  people.chosen = null;
  state.polygon = [];
  state.cursor = [width >> 1, height >> 1];
  history.past = [];
  history.future = [];
  $("stage").style.aspectRatio = `${width} / ${height}`;
  view.resize(width, height);
  scales();
  show();
}

// What a new sheet shows, where the model has such labels: polygons in hundredths of the sheet.
const LANDSCAPE = [
  [["sky-other", "sky"], [[0, 0], [100, 0], [100, 60], [0, 60]]],
  [["clouds", "cloud"], [[12, 16], [20, 10], [32, 12], [40, 19], [26, 22]]],
  [["mountain"], [[0, 46], [16, 30], [27, 40], [42, 21], [58, 43], [72, 34], [100, 52], [100, 60], [0, 60]]],
  [["hill", "earth"], [[0, 57], [30, 50], [62, 58], [100, 49], [100, 66], [0, 66]]],
  [["river", "water"], [[55, 60], [61, 60], [60, 68], [74, 80], [80, 100], [40, 100], [52, 82], [57, 70]]],
  [["tree"], [[6, 78], [7, 62], [4, 50], [10, 36], [18, 40], [22, 52], [17, 63], [15, 79]]],
  [["bush", "plant"], [[84, 84], [86, 74], [93, 71], [99, 78], [98, 86]]],
];

function landscape() {
  const ids = Object.fromEntries(labels?.labels.map((label) => [label.name, label.id]) ?? []);
  for (const [names, points] of LANDSCAPE) {
    const name = names.find((known) => known in ids);
    if (name) map.polygon(rounded(points).map(([x, y]) => [(x * map.width) / 100, (y * map.height) / 100]), ids[name]);
  }
}

/** A polygon with its corners cut, again and again (Chaikin); those at the sheet's edge stay. */
function rounded(points) {
  for (let round = 0; round < 4; round++) {
    points = points.flatMap(([x, y], index) => {
      const [nx, ny] = points[(index + 1) % points.length];
      if (Math.min(x, y, nx, ny) <= 0 || Math.max(x, y, nx, ny) >= 100) return [[x, y]];
      return [[0.75 * x + 0.25 * nx, 0.75 * y + 0.25 * ny], [0.25 * x + 0.75 * nx, 0.25 * y + 0.75 * ny]];
    });
  }
  return points;
}

export function depthRamp() {
  for (let y = 0; y < depth.height; y++) {
    const below = Math.max(0, y / depth.height - 0.5) * 2;
    depth.data.fill(Math.round(255 * below), y * depth.width, (y + 1) * depth.width);
  }
}

export const history = new History(
  () => {
    const kept = { map: map.data.slice(), depth: depth.data.slice(), area: area.data.slice(), people: structuredClone(people.list) };
    return { ...kept, bytes: 6 * kept.map.length + 1000 };
  },
  (kept) => {
    map.data.set(kept.map);
    depth.data.set(kept.depth);
    area.data.set(kept.area);
    people.list = kept.people;
    people.chosen = null;
  },
);

export function show() {
  const pen = view.map.getContext("2d"), image = pen.createImageData(map.width, map.height);
  const pixels = new Uint32Array(image.data.buffer);
  const traced = state.photo && state.layer !== "depth" ? Math.round(2.55 * (100 - $("trace").value)) : 255;
  if (state.layer === "depth") for (let i = 0; i < pixels.length; i++) pixels[i] = 0xff000000 | (depth.data[i] * 0x10101);
  else for (let i = 0; i < pixels.length; i++) pixels[i] = ((traced << 24) | (colours[map.data[i]] ?? 0x808080)) >>> 0;
  pen.clearRect(0, 0, map.width, map.height);
  const layer = new OffscreenCanvas(map.width, map.height);
  layer.getContext("2d").putImageData(image, 0, 0);
  if (state.photo) pen.drawImage(state.photo, 0, 0, map.width, map.height);
  pen.drawImage(layer, 0, 0);
  showOverlay();
}

export function showOverlay() {
  const canvas = view.overlay, pen = canvas.getContext("2d"), unit = 1 / view.scale;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (state.complete) {
    pen.fillStyle = "#ff3b6a88";
    for (let y = 0; y < area.height; y++) for (let x = 0, from = -1; x <= area.width; x++) {
      const inside = x < area.width && area.at(x, y);
      if (inside && from < 0) from = x;
      if (!inside && from >= 0) { pen.fillRect(from, y, x - from, 1); from = -1; }
    }
  }
  people.draw(pen, unit);
  pen.strokeStyle = "#fff";
  pen.lineWidth = 1.5 * unit;
  const [x, y] = state.cursor, points = state.tool === "line" && state.from ? [state.from, state.cursor] : [...state.polygon, state.cursor];
  if (points.length > 1) {
    pen.beginPath();
    points.forEach(([px, py]) => pen.lineTo(px + 0.5, py + 0.5));
    outlined(pen, unit);
  }
  if (state.layer !== "people") {
    pen.beginPath();
    pen.arc(x + 0.5, y + 0.5, ["brush", "line", "erase"].includes(state.tool) ? state.size / 2 : 2.5 * unit, 0, 7);
    outlined(pen, unit);
  }
}

function outlined(pen, unit) {
  pen.strokeStyle = "#000a";
  pen.lineWidth = 3 * unit;
  pen.stroke();
  pen.strokeStyle = "#fff";
  pen.lineWidth = 1.5 * unit;
  pen.stroke();
}

export function changed(box) {
  if (!box) return;
  const [left, top, right, bottom] = box;
  state.dirty = state.dirty
    ? [Math.min(state.dirty[0], left), Math.min(state.dirty[1], top), Math.max(state.dirty[2], right), Math.max(state.dirty[3], bottom)]
    : [left, top, right, bottom];
  state.dirty = [Math.max(0, state.dirty[0]), Math.max(0, state.dirty[1]), Math.min(map.width - 1, state.dirty[2]), Math.min(map.height - 1, state.dirty[3])];
  if (state.layer === "depth") state.depthUsed = $("use-depth").checked = true;
  show();
}

