// Drawing on a grid of integers, without antialiasing: each pixel has exactly one label.

export class Raster {
  constructor(width, height, fill = 0) {
    this.width = width;
    this.height = height;
    this.data = new Uint16Array(width * height).fill(fill);
  }

  at(x, y) {
    return this.data[y * this.width + x];
  }

  /** A disc of the given diameter around a pixel; calls `touched` with its rows. */
  disc(x, y, diameter, value) {
    const radius = diameter / 2, offset = diameter % 2 ? 0 : 0.5;
    for (let row = Math.floor(y - radius); row <= Math.ceil(y + radius); row++) {
      if (row < 0 || row >= this.height) continue;
      const dy = row - y + offset, half = radius * radius - dy * dy;
      if (half <= 0) continue;
      const reach = Math.sqrt(half);
      const from = Math.max(0, Math.ceil(x - offset - reach)), to = Math.min(this.width - 1, Math.floor(x - offset + reach));
      if (from <= to) this.data.fill(value, row * this.width + from, row * this.width + to + 1);
    }
  }

  /** Discs along a straight line; returns the rectangle that may have changed. */
  stroke(x0, y0, x1, y1, diameter, value) {
    const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
    for (let step = 0; step <= steps; step++) {
      this.disc(Math.round(x0 + ((x1 - x0) * step) / steps), Math.round(y0 + ((y1 - y0) * step) / steps), diameter, value);
    }
    const margin = Math.ceil(diameter / 2) + 1;
    return [Math.min(x0, x1) - margin, Math.min(y0, y1) - margin, Math.max(x0, x1) + margin, Math.max(y0, y1) + margin];
  }

  /** Everything of one value that hangs together with a pixel; returns the rectangle, or null if nothing changes. */
  fill(x, y, value) {
    const { width, height, data } = this, old = this.at(x, y);
    if (old === value) return null;
    let left = x, top = y, right = x, bottom = y;
    const waiting = [[x, y]];
    while (waiting.length) {
      const [column, row] = waiting.pop();
      let from = column, to = column;
      if (data[row * width + column] !== old) continue;
      while (from > 0 && data[row * width + from - 1] === old) from--;
      while (to < width - 1 && data[row * width + to + 1] === old) to++;
      data.fill(value, row * width + from, row * width + to + 1);
      left = Math.min(left, from); right = Math.max(right, to); top = Math.min(top, row); bottom = Math.max(bottom, row);
      for (const next of [row - 1, row + 1]) {
        if (next < 0 || next >= height) continue;
        for (let place = from; place <= to; place++) {
          if (data[next * width + place] === old && (place === from || data[next * width + place - 1] !== old)) waiting.push([place, next]);
        }
      }
    }
    return [left, top, right, bottom];
  }

  /** The inside of a polygon, by the even-odd rule at the centres of pixels. */
  polygon(points, value) {
    const ys = points.map((point) => point[1]), xs = points.map((point) => point[0]);
    const top = Math.max(0, Math.floor(Math.min(...ys))), bottom = Math.min(this.height - 1, Math.ceil(Math.max(...ys)));
    for (let row = top; row <= bottom; row++) {
      const crossings = [];
      points.forEach(([x0, y0], index) => {
        const [x1, y1] = points[(index + 1) % points.length];
        if (y0 <= row !== y1 <= row) crossings.push(x0 + ((row - y0) / (y1 - y0)) * (x1 - x0));
      });
      crossings.sort((a, b) => a - b);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        const from = Math.max(0, Math.ceil(crossings[pair])), to = Math.min(this.width - 1, Math.floor(crossings[pair + 1]));
        if (from <= to) this.data.fill(value, row * this.width + from, row * this.width + to + 1);
      }
    }
    return [Math.min(...xs) - 1, top - 1, Math.max(...xs) + 1, bottom + 1];
  }
}

/** Undo and redo of some rasters and other state, bounded by bytes. */
export class History {
  constructor(take, restore, limit = 64 * 2 ** 20) {
    Object.assign(this, { take, restore, limit, past: [], future: [] });
  }

  /** To be called before something changes. */
  note() {
    this.past.push(this.take());
    this.future = [];
    let bytes = this.past.reduce((sum, entry) => sum + entry.bytes, 0);
    while (bytes > this.limit && this.past.length > 1) bytes -= this.past.shift().bytes;
  }

  move(from, to) {
    if (!from.length) return false;
    to.push(this.take());
    this.restore(from.pop());
    return true;
  }

  undo() {
    return this.move(this.past, this.future);
  }

  redo() {
    return this.move(this.future, this.past);
  }
}
