// Files: saving pictures, maps and settings; loading maps and photos.

import { $, about, labels, say, state } from "./state.js";
import { changed, depth, history, map, newSheet, show } from "./sheet.js";
import { files, paint, picture, settings } from "./painting.js";
import * as server from "./server.js";

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

$("save-picture").onclick = async () => {
  if (!state.painted) return say("paint something first", true);
  if (!$("draft").hidden) await paint(); // a draft is not what the settings paint
  save("picture.png", await (await picture(state.painted), blobOf(state.painted)));
};
$("save-map").onclick = async () => {
  for (const [name, blob] of Object.entries(await files())) save(`${name}.png`, blob);
};
$("save-settings").onclick = async () => {
  const chosen = settings(), maps = await files();
  for (const name of Object.keys(maps)) chosen[name] = `${name}.png`;
  const told = { command: maps.image ? "complete" : "sample", model: about.model, ...chosen };
  save("settings.json", new Blob([JSON.stringify(told, null, 1)], { type: "application/json" }));
};

function blobOf(address) {
  const bytes = Uint8Array.from(atob(address.split(",")[1]), (letter) => letter.charCodeAt(0));
  return new Blob([bytes], { type: "image/png" });
}

$("load-map").onchange = async (event) => {
  const [file] = event.target.files, kind = state.layer === "depth" ? "depth" : labels.name;
  event.target.value = "";
  if (!file) return;
  try {
    const options = $("map-colours").value && kind === labels.name ? { palette: $("map-colours").value } : {};
    const read = await server.readMap(kind, file, options);
    if (kind === "depth") {
      if (read.width !== map.width || read.height !== map.height) throw new Error(`this depth map is ${read.width}×${read.height}, the sheet ${map.width}×${map.height}`);
      history.note();
      depth.data.set(read.data.map((value) => value >> 8));
      changed([0, 0, map.width - 1, map.height - 1]);
    } else newSheet(read.width, read.height, read.data);
    $("notes").textContent = read.notes;
    paint();
  } catch (error) {
    say(error.message, true);
  }
};
$("new-map").onsubmit = (event) => {
  event.preventDefault();
  newSheet(+$("new-width").value, +$("new-height").value);
  if ($("live").checked) paint();
};
$("photo").onchange = async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const photo = await createImageBitmap(file).catch(() => null);
  if (!photo) return say(`${file.name} is no picture that the browser can read`, true);
  const factor = Math.min(1, Math.sqrt(about.limits.max_pixels / (photo.width * photo.height)), 768 / Math.max(photo.width, photo.height));
  newSheet(Math.round(photo.width * factor), Math.round(photo.height * factor));
  state.photo = photo;
  show();
};
