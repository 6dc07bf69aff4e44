// What all parts of the page share: the model, and what is chosen.

import { People } from "./skeleton.js";
import * as server from "./server.js";

export const $ = (id) => document.getElementById(id);

export function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

export const about = await server.model().catch((error) => {
  say(error.message, true);
  throw error;
});
export const byName = Object.fromEntries(about.conditions.map((condition) => [condition.name, condition]));
export const labels = about.conditions.find((condition) => condition.map && condition.labels);
export const classes = byName.class_label?.labels && byName.class_label; // not the names of boxes
export const people = new People(about.skeleton);

export const state = {
  layer: "labels", tool: "brush", size: 24, label: 0, depthUsed: false, photo: null, complete: false,
  cursor: [0, 0], polygon: [], from: null,
  painted: null, // the last picture that was painted from map and seed
  dirty: null, // what has changed since the last draft: left, top, right, bottom
};
