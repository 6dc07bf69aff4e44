// People as 17 joints in COCO's order, each [x, y, visible].

const STANDING = [
  [0, -0.46], [0.02, -0.48], [-0.02, -0.48], [0.04, -0.47], [-0.04, -0.47], [0.1, -0.33], [-0.1, -0.33], [0.15, -0.17],
  [-0.15, -0.17], [0.16, -0.02], [-0.16, -0.02], [0.07, 0], [-0.07, 0], [0.08, 0.24], [-0.08, 0.24], [0.08, 0.48], [-0.08, 0.48],
];

export class People {
  constructor(skeleton) {
    this.joints = skeleton.joints;
    this.limbs = skeleton.limbs;
    this.list = [];
    this.chosen = null; // [person, joint]
  }

  /** Somebody standing with their middle at a place. */
  add(x, y, height) {
    this.list.push(STANDING.map(([dx, dy]) => [Math.round(x + dx * height), Math.round(y + dy * height), 2]));
    this.chosen = [this.list.length - 1, 0];
  }

  remove() {
    if (this.chosen) this.list.splice(this.chosen[0], 1);
    this.chosen = null;
  }

  /** Chooses the joint next to a place, if there is one within `reach`; says whether there is. */
  choose(x, y, reach) {
    let best = reach;
    let found = false;
    this.list.forEach((person, number) =>
      person.forEach(([jx, jy], joint) => {
        const distance = Math.hypot(jx - x, jy - y);
        if (distance < best) {
          best = distance;
          this.chosen = [number, joint];
          found = true;
        }
      }),
    );
    return found;
  }

  step(by) {
    if (!this.list.length) return;
    const count = this.joints.length, total = this.list.length * count;
    const now = this.chosen ? this.chosen[0] * count + this.chosen[1] : -1;
    const next = (now + by + total) % total;
    this.chosen = [Math.floor(next / count), next % count];
  }

  get joint() {
    return this.chosen ? this.list[this.chosen[0]][this.chosen[1]] : null;
  }

  describe() {
    if (!this.chosen) return "";
    const [x, y, visible] = this.joint;
    return `person ${this.chosen[0] + 1}, ${this.joints[this.chosen[1]].replaceAll("_", " ")}: ${x}, ${y}${visible ? "" : " (hidden)"}`;
  }

  draw(pen, unit) {
    const index = Object.fromEntries(this.joints.map((name, number) => [name, number]));
    this.list.forEach((person, number) => {
      const middle = [0, 1, 2].map((axis) => (person[index.left_shoulder][axis] + person[index.right_shoulder][axis]) / 2);
      middle[2] = Math.min(person[index.left_shoulder][2], person[index.right_shoulder][2]);
      const place = (name) => (name === "neck" ? middle : person[index[name]]);
      pen.lineCap = "round";
      for (const [start, end, colour] of this.limbs) {
        const [a, b] = [place(start), place(end)];
        if (!a[2] || !b[2]) continue;
        pen.strokeStyle = `rgb(${colour.join(" ")})`;
        pen.lineWidth = 3 * unit;
        pen.beginPath();
        pen.moveTo(a[0] + 0.5, a[1] + 0.5);
        pen.lineTo(b[0] + 0.5, b[1] + 0.5);
        pen.stroke();
      }
      person.forEach(([x, y, visible], joint) => {
        const isChosen = this.chosen && this.chosen[0] === number && this.chosen[1] === joint;
        pen.beginPath();
        pen.arc(x + 0.5, y + 0.5, (isChosen ? 6 : 3.5) * unit, 0, 7);
        pen.fillStyle = isChosen ? "#ffd54a" : visible ? "#ffffff" : "#ffffff55";
        pen.strokeStyle = "#000000aa";
        pen.lineWidth = unit;
        pen.fill();
        pen.stroke();
      });
    });
  }
}
