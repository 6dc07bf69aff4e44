// What is seen of the sheet: zoom, moving, and the two canvases, the map and what lies over it.

export class View {
  constructor(stage, sheet, map, overlay) {
    Object.assign(this, { stage, sheet, map, overlay, scale: 1, left: 0, top: 0, fitted: true });
    new ResizeObserver(() => this.fitted && this.fit()).observe(stage);
  }

  resize(width, height) {
    for (const canvas of [this.map, this.overlay]) Object.assign(canvas, { width, height });
    this.sheet.style.width = `${width}px`;
    this.sheet.style.height = `${height}px`;
    this.fit();
  }

  fit() {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth) return;
    this.fitted = true;
    this.scale = Math.min((clientWidth - 16) / this.map.width, (clientHeight - 16) / this.map.height);
    this.left = (clientWidth - this.map.width * this.scale) / 2;
    this.top = (clientHeight - this.map.height * this.scale) / 2;
    this.show();
  }

  zoom(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2) {
    const scale = Math.min(40, Math.max(0.1, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.show();
  }

  move(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.fitted = false;
    this.show();
  }

  show() {
    this.sheet.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
  }

  /** The pixel under a pointer; may lie outside of the map. */
  place(event) {
    const box = this.stage.getBoundingClientRect();
    return [
      Math.floor((event.clientX - box.left - this.left) / this.scale),
      Math.floor((event.clientY - box.top - this.top) / this.scale),
    ];
  }
}
