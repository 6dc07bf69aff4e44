// The page: what its fields do, and its beginning.

import { $, about, classes, labels, people, say, state } from "./state.js";
import { area, changed, depthRamp, history, map, newSheet, show } from "./sheet.js";
import { LAYERS, layer, listLabels, setDepth, tool } from "./panels.js";
import { movedJoint } from "./pens.js";
import { lookAgain, paint, stop, stroked } from "./painting.js";
import { view } from "./sheet.js";
import "./files.js";
import "./pointers.js";
import "./tools.js";

$("search").oninput = listLabels;
$("search").onkeydown = (event) => event.key === "Enter" && view.overlay.focus();
$("depth").oninput = (event) => setDepth(event.target.value);
$("use-depth").onchange = (event) => { state.depthUsed = event.target.checked; stroked(); };
$("depth-ramp").onclick = () => { history.note(); depthRamp(); changed([0, 0, map.width - 1, map.height - 1]); stroked(); };
$("add-person").onclick = () => { history.note(); people.add(map.width >> 1, map.height * 0.6, map.height * 0.5); movedJoint(); stroked(); };
$("remove-person").onclick = () => { history.note(); people.remove(); show(); stroked(); };
$("trace").oninput = (event) => { $("trace-value").textContent = `${event.target.value} %`; show(); };
$("complete").onchange = (event) => { state.complete = event.target.checked; show(); };
$("clear-area").onclick = () => { history.note(); area.data.fill(0); show(); };
$("remove-photo").onclick = () => { state.photo = null; state.complete = $("complete").checked = false; show(); };
$("paint").onclick = paint;
$("stop").onclick = stop;
$("dice").onclick = () => { $("seed").value = crypto.getRandomValues(new Uint32Array(1))[0]; paint(); };
for (const id of ["seed", "class", "guidance", "temperature", "top-k", "scale"]) {
  $(id).onchange = () => $("live").checked && paint();
}
$("help-button").onclick = () => $("help").showModal();
$("theme").onclick = () => {
  const dark = getComputedStyle(document.documentElement).colorScheme.trim() === "dark"
    || (!document.documentElement.className && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.className = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.className);
};
document.documentElement.className = localStorage.getItem("theme") ?? "";

$("model").textContent = about.model;
if (classes) {
  $("class-field").hidden = false;
  $("class").append(new Option("the seed chooses", ""), ...classes.labels.map((label) => new Option(label.name, label.name)));
}
const defaults = about.settings;
if (typeof defaults.guidance_scale === "number") $("guidance").value = defaults.guidance_scale;
$("temperature").value = defaults.temperature;
$("top-k").value = defaults.top_k ?? "";
setDepth(200);
newSheet(about.start.size[1], about.start.size[0]);
if (labels) {
  state.label = labels.labels.find((label) => label.name === "tree")?.id ?? labels.labels[0].id;
  listLabels();
}
tool("brush");
layer(LAYERS[0][0]);
lookAgain();
say("ready");
document.body.dataset.ready = "yes";
paint();
