// Pointers and keys over the map.

import { $, labels, people, state } from "./state.js";
import { history, map, showOverlay, view } from "./sheet.js";
import { choose } from "./panels.js";
import { closePolygon, drag, movedJoint, press, release } from "./pens.js";
import { stroked } from "./painting.js";
import { KEYS, undo } from "./tools.js";

const fingers = new Map();
let moving = null, pinch = null;

view.overlay.addEventListener("pointerdown", (event) => {
  view.overlay.setPointerCapture(event.pointerId);
  view.overlay.focus({ preventScroll: true });
  fingers.set(event.pointerId, event);
  if (fingers.size === 2) {
    state.from = null;
    pinch = spread();
  } else if (event.button === 1 || event.shiftKey) {
    moving = [event.clientX, event.clientY];
    view.overlay.classList.add("moving");
    event.preventDefault();
  } else if (event.button === 0) {
    state.cursor = view.place(event);
    press(...state.cursor);
  }
});
view.overlay.addEventListener("pointermove", (event) => {
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
  if (pinch && fingers.size === 2) {
    const now = spread(), box = view.stage.getBoundingClientRect();
    view.move(now.x - pinch.x, now.y - pinch.y);
    view.zoom(now.distance / pinch.distance, now.x - box.left, now.y - box.top);
    pinch = now;
  } else if (moving) {
    view.move(event.clientX - moving[0], event.clientY - moving[1]);
    moving = [event.clientX, event.clientY];
  } else {
    for (const step of event.getCoalescedEvents?.() ?? [event]) {
      state.cursor = view.place(step);
      drag(...state.cursor);
    }
    tellPlace(false);
  }
  showOverlay();
});
for (const name of ["pointerup", "pointercancel"]) {
  view.overlay.addEventListener(name, (event) => {
    fingers.delete(event.pointerId);
    pinch = null;
    if (moving) {
      moving = null;
      view.overlay.classList.remove("moving");
    } else release(...view.place(event));
  });
}
view.overlay.addEventListener("dblclick", () => {
  if (state.layer === "people" && people.joint) {
    people.joint[2] = people.joint[2] ? 0 : 2;
    movedJoint();
    stroked();
  } else closePolygon();
});
view.stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = view.stage.getBoundingClientRect();
  view.zoom(Math.exp(-event.deltaY / 400), event.clientX - box.left, event.clientY - box.top);
  showOverlay();
}, { passive: false });

function spread() {
  const [a, b] = [...fingers.values()];
  return { x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2, distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) };
}

function tellPlace(aloud) {
  const [x, y] = state.cursor, name = labels?.labels[map.at(x, y)]?.name;
  $("where").setAttribute("aria-live", aloud ? "polite" : "off");
  if (x >= 0 && y >= 0 && x < map.width && y < map.height) $("where").textContent = `${x}, ${y}${name ? `: ${name}` : ""}`;
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, dialog *") && !(event.target.type === "checkbox")) return;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (event.target === view.overlay && (step || event.key === " " || event.key === "Enter" || event.key === "Escape")) {
    event.preventDefault();
    const far = event.shiftKey ? 1 : Math.max(1, state.size >> 1);
    if (step && state.layer === "people" && people.joint) {
      history.note();
      people.joint[0] += step[0] * (event.shiftKey ? 1 : 4);
      people.joint[1] += step[1] * (event.shiftKey ? 1 : 4);
      movedJoint();
      stroked();
    } else if (step) {
      state.cursor = [
        Math.max(0, Math.min(map.width - 1, state.cursor[0] + step[0] * far)),
        Math.max(0, Math.min(map.height - 1, state.cursor[1] + step[1] * far)),
      ];
      tellPlace(true);
    } else if (event.key === " ") {
      press(...state.cursor);
      release(...state.cursor);
    } else if (event.key === "Enter") closePolygon();
    else state.polygon = [];
    showOverlay();
    return;
  }
  if (event.altKey || (event.target.id === "labels" && step)) return;
  if (event.ctrlKey || event.metaKey) {
    if (!["z", "y", "Z"].includes(event.key)) return;
    event.preventDefault();
    undo(event.key !== "z");
    return;
  }
  const known = KEYS[event.key];
  if (known) {
    event.preventDefault();
    known[1]();
  }
});
$("labels").onkeydown = (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key], items = [...$("labels").children];
  if (!by || !items.length) return;
  event.preventDefault();
  const now = items.findIndex((item) => +item.dataset.label === state.label);
  choose(+items[Math.max(0, Math.min(items.length - 1, now + by))].dataset.label);
};
