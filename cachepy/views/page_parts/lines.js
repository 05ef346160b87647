// The rest of the painter: edges, what is chosen, and names that stand over boxes too small for them.

Object.assign(Painter.prototype, {
  edges(k) {
    const { c, colours, scene, linked } = this;
    const plain = [[], [], []],
      strong = [[], [], []];
    scene.edges.forEach((edge, i) => {
      if (this.routeVisible(edge.route)) (linked && linked.has(i) ? strong : plain)[edge.kind].push(edge);
    });
    c.globalAlpha = linked ? 0.3 : 1;
    const wide = scene.edges.length > 1500 ? 0.6 : Math.max(0.9, Math.min(1.4, 1.4 * k));
    plain.forEach((edges, kind) => this.routes(edges, kind, kind === FLOWS ? colours.flow : colours.line, wide));
    c.globalAlpha = 1;
    strong.forEach((edges, kind) => this.routes(edges, kind, colours.accent, Math.max(1.2, wide * 1.35)));
  },

  routeVisible(route) {
    let left = Infinity,
      right = -Infinity,
      top = Infinity,
      bottom = -Infinity;
    for (const [x, y] of route) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
    return this.visible({ x: left, y: top, w: right - left, h: bottom - top + 0.01 });
  },

  routes(edges, kind, colour, wide) {
    const { c } = this,
      { k } = this.view,
      head = Math.max(3, Math.min(8, 8 * k));
    if (!edges.length) return;
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = wide;
    if (kind === FLOWS) c.setLineDash([Math.max(2.5, 5 * k), Math.max(2, 3.5 * k)]);
    c.beginPath();
    for (const edge of edges) this.trace(edge);
    c.stroke();
    c.setLineDash([]);
    if (kind === READS || k < 0.18) return;
    c.beginPath();
    for (const { route } of edges) {
      const [tip, before] = kind === FLOWS ? route : [route[route.length - 1], route[route.length - 2]];
      const [x, y] = this.spot(...tip),
        along = tip[0] === before[0] ? [0, Math.sign(tip[1] - before[1]) || 1] : [tip[0] > before[0] ? 1 : -1, 0];
      const [backX, backY] = [x - along[0] * head, y - along[1] * head];
      c.moveTo(x, y);
      c.lineTo(backX - along[1] * head * 0.45, backY - along[0] * head * 0.45);
      c.lineTo(backX + along[1] * head * 0.45, backY + along[0] * head * 0.45);
    }
    c.fill();
  },

  trace({ route, straight }) {
    let [x, y] = this.spot(...route[0]);
    this.c.moveTo(x, y);
    for (const point of route.slice(1)) {
      const [toX, toY] = this.spot(...point);
      if (straight || Math.abs(toY - y) < 0.5) this.c.lineTo(toX, toY);
      else {
        const pull = (toX - x) * 0.5 || 24;
        this.c.bezierCurveTo(x + pull, y, toX - pull, toY, toX, toY);
      }
      [x, y] = [toX, toY];
    }
  },

  innerEdges() {
    // single edges that begin or end in a frame: only those of what is chosen, and not without end
    const { scene, model, inner } = this;
    if (!inner.length) return;
    const edges = inner
      .map((i) => {
        const { a, b, kind } = model.edges[i],
          from = itemBox(scene, a),
          to = itemBox(scene, b);
        return {
          kind,
          route: [
            [from.x + from.w, from.y + from.h / 2],
            [to.x < from.x + from.w && scene.narrow ? to.x + to.w : to.x, to.y + to.h / 2],
          ],
        };
      })
      .filter(({ route }) => this.routeVisible(route));
    this.c.globalAlpha = edges.length > 200 ? 0.35 : 0.8;
    for (const kind of [CALLS, FLOWS, READS])
      this.routes(
        edges.filter((e) => e.kind === kind),
        kind,
        this.colours.accent,
        1.3,
      );
    this.c.globalAlpha = 1;
  },

  outline() {
    const { c, colours, scene, chosen, hits } = this;
    for (const id of hits) this.ring(itemBox(scene, id), colours.accent, 1.5, 2);
    for (const id of chosen.items) this.ring(itemBox(scene, id), colours.accent, 2.5, 3);
    for (const unit of scene.units)
      if (unit.kind !== "card" && unit.group === chosen.group) this.ring(unit, colours.accent, 2.5, 3);
    c.globalAlpha = 1;
  },

  ring(box, colour, wide, away) {
    if (!box || !this.visible(box)) return;
    this.rounded(box, 7, away);
    this.c.strokeStyle = colour;
    this.c.lineWidth = wide;
    this.c.stroke();
  },

  // What is chosen first, then larger groups; a name that would touch another one or stick out stays away.
  overlay(units) {
    const room = roomFor(this.labels, this.width, this.height);
    for (const id of this.model.tops) this.top(id, room);
    const other = ({ kind, group, items }) =>
      Number(kind === "card" ? !this.chosen.items.includes(items[0]) : group !== this.chosen.group);
    units.sort(
      (a, b) =>
        other(a) - other(b) ||
        this.isDim(a) - this.isDim(b) ||
        b.items.length - a.items.length ||
        b.w * b.h - a.w * a.h,
    );
    for (const unit of units.slice(0, 1500)) this.nameOver(unit, room);
    this.c.globalAlpha = 1;
  },

  // Where the graph begins is always told: among ten thousand boxes its own may be a dot.
  top(id, room) {
    const box = itemBox(this.scene, id),
      { k } = this.view;
    if (!box || !this.visible(box) || (box.w * k >= 40 && box.h * k >= 16)) return;
    const { colours, c } = this,
      text = "▸ " + this.ruler.fitted(this.model.items[id].name, "head", OVERLAY, 13 * OVERLAY, "names");
    this.ring(box, colours.accent, 2, 3);
    const w = (this.ruler.width(text, "head") * OVERLAY) / 100 + 12,
      h = OVERLAY + 8,
      [x, y] = this.spot(box.x + box.w / 2, box.y + box.h / 2);
    const places = [0, 1, 2, 3, 4].flatMap((i) => [-1, 1].map((way) => y + way * (i * (h + 6) + 16)));
    const at = places
      .map((middle) => ({ x: Math.max(3, Math.min(this.width - w - 3, x - w / 2)), y: middle - h / 2, w, h }))
      .find(room.isFree);
    if (!at) return;
    room.take(at);
    c.beginPath();
    c.roundRect(at.x, at.y, w, h, 5);
    c.fillStyle = colours.badge;
    c.fill();
    this.text(text, "head", OVERLAY, at.x + 6, at.y + h / 2 + 0.5, colours["badge-ink"]);
  },

  nameOver(unit, room) {
    const { c, colours } = this;
    const [style, size, steps] = unit.kind === "frame" ? ["head", OVERLAY, [0, -24, 24]] : ["name", SMALL, [0]];
    const text = this.ruler.line(unit.head || unit.lines[0], style, size, 13 * size);
    if (!text || (unit.kind === "card" && this.model.tops.includes(unit.items[0]))) return;
    const w = (this.ruler.width(text, style) * size) / 100 + 10;
    const h = size + 6;
    const [x, y] = this.spot(unit.x + unit.w / 2, unit.y + unit.h / 2);
    const box = steps.map((dy) => ({ x: x - w / 2, y: y + dy - h / 2, w, h })).find(room.isFree);
    if (!box) return;
    room.take(box);
    c.globalAlpha = this.isDim(unit) ? 0.5 : 0.94;
    c.beginPath();
    c.roundRect(box.x, box.y, w, h, 5);
    c.fillStyle = colours.raised;
    c.fill();
    c.strokeStyle = colours["frame-edge"];
    c.lineWidth = 1;
    c.stroke();
    this.text(text, style, size, box.x + 5, box.y + h / 2 + 0.5, colours.ink);
  },
});

// Which part of the window holds texts already; looked up by squares, as there may be thousands.
function roomFor(labels, width, height) {
  const squares = new Map();
  const at = (n) => Math.floor(n / 160);
  const keysOf = (box) => {
    const keys = [];
    for (let i = at(box.x - 4); i <= at(box.x + box.w + 4); i++)
      for (let j = at(box.y - 3); j <= at(box.y + box.h + 3); j++) keys.push(i + " " + j);
    return keys;
  };
  const apart = (a, b) => a.x > b.x + b.w + 4 || b.x > a.x + a.w + 4 || a.y > b.y + b.h + 3 || b.y > a.y + a.h + 3;
  const take = (box) => {
    for (const key of keysOf(box)) {
      if (squares.has(key)) squares.get(key).push(box);
      else squares.set(key, [box]);
    }
  };
  const inside = (box) => box.x >= 2 && box.y >= 2 && box.x + box.w <= width - 2 && box.y + box.h <= height - 2;
  const isFree = (box) =>
    inside(box) && keysOf(box).every((key) => (squares.get(key) || []).every((b) => apart(box, b)));
  labels.forEach(take);
  return { take, isFree };
}
