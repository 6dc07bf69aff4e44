// The panels: layers, labels, and what is chosen in them.

import { $, about, byName, labels, state } from "./state.js";
import { map, show, showOverlay } from "./sheet.js";

export const TOOLS = [
  ["brush", "Brush", "b"], ["line", "Line", "l"], ["polygon", "Polygon", "g"], ["fill", "Fill", "f"],
  ["pick", "Eyedropper", "i"], ["erase", "Eraser", "e"],
];

export const LAYERS = [
  ["labels", "Labels", labels], ["depth", "Depth", byName.depth], ["people", "People", byName.keypoints], ["photo", "Photo", true],
].filter(([, , there]) => there);

export function choose(label) {
  state.label = label;
  for (const item of $("labels").children) {
    const isChosen = +item.dataset.label === label;
    item.setAttribute("aria-selected", isChosen);
    if (isChosen) {
      $("labels").setAttribute("aria-activedescendant", item.id);
      const list = $("labels"), top = item.offsetTop - list.offsetTop; // the list scrolls, not the page
      if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - list.clientHeight / 2;
    }
  }
}

export function listLabels() {
  const wanted = $("search").value.trim().toLowerCase();
  const shown = labels.labels.filter((label) => label.name.toLowerCase().includes(wanted));
  shown.sort((a, b) => b.trained - a.trained || a.id - b.id);
  $("labels").replaceChildren(...shown.map((label) => {
    const item = document.createElement("li");
    Object.assign(item, { id: `label-${label.id}`, role: "option" });
    item.dataset.label = label.id;
    const colour = document.createElement("canvas"), pen = colour.getContext("2d");
    Object.assign(colour, { width: 1, height: 1 });
    pen.fillStyle = label.colour;
    pen.fillRect(0, 0, 1, 1);
    item.append(colour, label.name);
    if (!label.trained) Object.assign(item, { className: "untrained", title: "not trained: painted as its nearest relative" });
    item.onclick = () => choose(label.id);
    return item;
  }));
  choose(shown.some((label) => label.id === state.label) ? state.label : shown[0]?.id ?? state.label);
}

export function layer(name) {
  state.layer = name;
  for (const tab of $("layers").children) {
    const isChosen = tab.dataset.layer === name;
    tab.setAttribute("aria-selected", isChosen);
    tab.tabIndex = isChosen ? 0 : -1;
  }
  for (const panel of document.querySelectorAll(".panel")) panel.hidden = panel.id !== `panel-${name}`;
  $("erase").hidden = name === "labels" && labels?.unlabelled == null;
  if ($("erase").hidden && state.tool === "erase") tool("brush");
  show();
}

export function tool(name) {
  state.tool = name;
  state.polygon = [];
  state.from = null;
  for (const [other] of TOOLS) $(other).setAttribute("aria-pressed", other === name);
  showOverlay();
}

export function resizePen(by) {
  state.size = Math.max(1, Math.min(256, by > 0 ? Math.max(state.size + 1, Math.round(state.size * 1.25)) : Math.min(state.size - 1, Math.round(state.size / 1.25))));
  $("size").textContent = `${state.size} px`;
  showOverlay();
}

export function setDepth(value) {
  $("depth").value = value;
  $("depth-value").textContent = value;
}

export function scales() {
  const chosen = $("scale").value || "1";
  const fits = [1, 2, 3, 4].filter((times) => times === 1 || map.width * map.height * times * times <= about.limits.max_pixels);
  $("scale").replaceChildren(...fits.map((times) => new Option(`${map.width * times} × ${map.height * times}`, times)));
  $("scale").value = fits.includes(+chosen) ? chosen : "1";
}


