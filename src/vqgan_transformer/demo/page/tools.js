// The toolbar, the tabs, and the keys.

import { $, labels, people, state } from "./state.js";
import { changed, history, map, showOverlay, view } from "./sheet.js";
import { LAYERS, TOOLS, layer, resizePen, tool } from "./panels.js";
import { movedJoint } from "./pens.js";
import { lookAgain, paintSoon } from "./painting.js";
import { icon } from "./icons.js";

export function undo(forward) {
  if (forward ? history.redo() : history.undo()) {
    changed([0, 0, map.width - 1, map.height - 1]);
    lookAgain();
    paintSoon();
  }
}

export const KEYS = {
  ...Object.fromEntries(TOOLS.map(([name, title, key]) => [key, [title, () => !$(name).hidden && tool(name)]])),
  "[": ["Smaller pen", () => resizePen(-1)], "]": ["Larger pen", () => resizePen(1)],
  z: ["Undo", () => undo(false)], y: ["Redo", () => undo(true)],
  "+": ["Zoom in", () => zoom(1.25)], "-": ["Zoom out", () => zoom(0.8)], 0: ["Fit", () => fit()],
  "/": ["Find a label", () => { layer("labels"); $("search").focus(); }],
  n: ["Next joint", () => { people.step(1); movedJoint(); }], p: ["Joint before", () => { people.step(-1); movedJoint(); }],
  "?": ["This list", () => $("help").showModal()],
};

function zoom(factor) {
  view.zoom(factor);
  showOverlay();
}

function fit() {
  view.fit();
  showOverlay();
}

function button(id, title, act) {
  const made = document.createElement("button");
  Object.assign(made, { type: "button", id, title, onclick: act });
  made.setAttribute("aria-label", title);
  made.append(icon(id));
  return made;
}

function gap() {
  return Object.assign(document.createElement("span"), { className: "gap" });
}

$("tools").append(
  ...TOOLS.map(([name, title, key]) => button(name, `${title} (${key})`, () => tool(name))), gap(),
  button("smaller", "Smaller pen ([)", () => resizePen(-1)),
  Object.assign(document.createElement("output"), { id: "size", textContent: `${state.size} px` }),
  button("larger", "Larger pen (])", () => resizePen(1)), gap(),
  button("undo", "Undo (z)", () => undo(false)), button("redo", "Redo (y)", () => undo(true)), gap(),
  button("zoom-out", "Zoom out (-)", () => zoom(0.8)), button("fit", "Fit (0)", fit),
  button("zoom-in", "Zoom in (+)", () => zoom(1.25)),
);
$("keys").append(...Object.entries(KEYS).map(([key, [title]]) => {
  const row = document.createElement("tr");
  row.append(document.createElement("td"), Object.assign(document.createElement("td"), { textContent: title }));
  row.firstChild.append(Object.assign(document.createElement("kbd"), { textContent: key }));
  return row;
}));
$("layers").append(...LAYERS.map(([name, title]) => {
  const tab = Object.assign(document.createElement("button"), { type: "button", role: "tab", textContent: title, onclick: () => layer(name) });
  tab.dataset.layer = name;
  tab.setAttribute("aria-controls", `panel-${name}`);
  tab.onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = LAYERS[(LAYERS.findIndex(([other]) => other === name) + by + LAYERS.length) % LAYERS.length][0];
    layer(next);
    document.querySelector(`[data-layer=${next}]`).focus();
  };
  return tab;
}));
