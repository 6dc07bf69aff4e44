// Signs of the tools, as paths on a sheet of 24 by 24.

const PATHS = {
  brush: "M20 3 10.5 12.5l2 2L22 5zM9 14c-2.2 0-3.6 1.5-3.8 3.4C5 19 4 20 2.5 20.3 4 21.5 6 22 7.8 21.7 10.4 21.2 12 19.3 12 17z",
  line: "M4 20 20 4",
  polygon: "M12 3 21 9.5 17.5 20h-11L3 9.5z",
  fill: "M11 3 3 11l8 8 8-8zM3 11h16M21 15c1.2 1.6 1.6 2.6 1.6 3.4a1.6 1.6 0 0 1-3.2 0c0-.8.4-1.8 1.6-3.4z",
  pick: "M14 6l4 4M19.5 2.5a2.1 2.1 0 0 1 2 3.6L18 9.5 14.5 6zM15 8.5 6 17.5 3 21l3.5-3L15.5 9",
  erase: "M8 20 3 15 14 4l7 7-9 9zM8.5 9.5l7 7M6 20h15",
  smaller: "M5 12h14",
  larger: "M5 12h14M12 5v14",
  undo: "M4 9h10a6 6 0 0 1 0 12h-4M4 9l5-5M4 9l5 5",
  redo: "M20 9H10a6 6 0 0 0 0 12h4M20 9l-5-5M20 9l-5 5",
  "zoom-out": "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 21 21M7.5 10.5h6",
  "zoom-in": "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zM15.5 15.5 21 21M7.5 10.5h6M10.5 7.5v6",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};

export function icon(name) {
  const made = (kind, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const svg = made("svg", { viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" });
  svg.append(made("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-linecap": "round" }));
  return svg;
}
