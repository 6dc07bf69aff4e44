// The tools: what a press, a move and a release do on each layer.

import { $, labels, people, state } from "./state.js";
import { area, changed, depth, history, map, showOverlay, view } from "./sheet.js";
import { choose, setDepth } from "./panels.js";
import { during, stroked } from "./painting.js";

function target() {
  if (state.layer === "depth") return [depth, state.tool === "erase" ? 0 : +$("depth").value];
  if (state.layer === "photo") return [area, state.tool === "erase" ? 0 : 1];
  return [map, state.tool === "erase" ? labels.unlabelled : state.label];
}

export function press(x, y) {
  const [raster, value] = target();
  if (state.layer === "people") {
    history.note();
    if (!people.choose(x, y, 14 / view.scale)) people.add(x, y, map.height * 0.5);
    movedJoint();
    state.from = [x, y];
    return;
  }
  if (state.tool === "pick") {
    const found = map.at(x, y);
    if (state.layer === "depth") setDepth(depth.at(x, y));
    else if (found !== undefined) choose(found);
    return;
  }
  if (state.tool === "polygon") {
    const [first] = state.polygon;
    if (state.polygon.length > 2 && Math.hypot(first[0] - x, first[1] - y) < 8 / view.scale) return closePolygon();
    state.polygon.push([x, y]);
    showOverlay();
    return;
  }
  history.note();
  state.from = [x, y];
  if (state.tool === "fill") {
    state.from = null;
    if (x >= 0 && y >= 0 && x < map.width && y < map.height) changed(raster.fill(x, y, value));
    stroked();
  } else if (state.tool !== "line") changed(raster.stroke(x, y, x, y, state.size, value));
}

export function drag(x, y) {
  if (!state.from) return;
  const [raster, value] = target();
  if (state.layer === "people") {
    if (!people.joint) return;
    people.joint[0] = x;
    people.joint[1] = y;
    movedJoint();
  } else if (state.tool !== "line") {
    changed(raster.stroke(...state.from, x, y, state.size, value));
    state.from = [x, y];
    during();
  }
}

export function release(x, y) {
  if (!state.from) return;
  const [raster, value] = target();
  if (state.layer !== "people" && state.tool === "line") changed(raster.stroke(...state.from, x, y, state.size, value));
  state.from = null;
  stroked();
}

export function closePolygon() {
  if (state.polygon.length > 2) {
    history.note();
    const [raster, value] = target();
    changed(raster.polygon(state.polygon, value));
    stroked();
  }
  state.polygon = [];
  showOverlay();
}

export function movedJoint() {
  $("joint").textContent = people.describe();
  const xs = people.list.flat().map((joint) => joint[0]), ys = people.list.flat().map((joint) => joint[1]);
  state.dirty = xs.length ? [0, 0, map.width - 1, map.height - 1] : state.dirty;
  if (ys.length) showOverlay();
}
