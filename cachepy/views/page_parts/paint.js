// The drawing on the canvas. What is outside the window is left out; what would be too small to read is drawn as plain
// shapes, and names come back at a readable size wherever there is room for them. No two texts ever overlap.

function inkOf(look, style) {
  return style === "args" || style === "why" ? look.soft : look.ink;
}

// One for each state in a box that is not fresh; of stale calls those with a cause of their own count for all.
function badgesOf({ state, counts, accepted }) {
  const more = accepted ? [ACCEPTED] : [];
  if (!counts) return SIGNS[state] ? [state] : more;
  return [UNKNOWN, MISSING, CHANGED, counts[STALE] ? STALE : AFTER].filter((each) => counts[each]).concat(more);
}

class Painter {
  constructor(canvas, family, scopes) {
    this.canvas = canvas;
    this.c = canvas.getContext("2d", { alpha: false });
    this.ruler = buildRuler(this.c, family, scopes);
    this.colours = readColours();
    this.labels = []; // of the last picture, in pixels
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas,
      ratio = window.devicePixelRatio || 1;
    Object.assign(this, { width: clientWidth, height: clientHeight, ratio });
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
  }

  // state: scene, model, marks (or null), linked (edges of the scene in focus), chosen (units, items), view {x, y, k}
  paint(state) {
    const { c, colours, ratio } = this,
      { view, scene } = state;
    Object.assign(this, state);
    this.labels = [];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.globalAlpha = 1;
    c.fillStyle = colours.paper;
    c.fillRect(0, 0, this.width, this.height);
    this.seen = scene.units.filter((unit) => this.visible(unit));
    for (const unit of this.seen) if (unit.kind === "frame") this.frame(unit);
    this.edges(view.k);
    const later = [];
    for (const unit of this.seen) (unit.kind === "frame" ? this.cells(unit) : this.box(unit)) || later.push(unit);
    c.globalAlpha = 1;
    this.innerEdges();
    this.outline();
    this.overlay(later);
  }

  visible({ x, y, w, h }) {
    const [left, top] = this.spot(x, y),
      { k } = this.view;
    return left < this.width && top < this.height && left + w * k > 0 && top + h * k > 0;
  }

  spot(x, y) {
    return [(x - this.view.x) * this.view.k, (y - this.view.y) * this.view.k];
  }

  rounded(box, radius, grow = 0) {
    const [x, y] = this.spot(box.x, box.y),
      { k } = this.view;
    this.c.beginPath();
    this.c.roundRect(x - grow, y - grow, box.w * k + 2 * grow, box.h * k + 2 * grow, Math.max(0, radius * k + grow));
  }

  faint(state) {
    // beside the point, but readable still
    const { frame, soft, ...rest } = this.colours,
      edge = state ? rest.looks[state].edge : rest["frame-edge"];
    return { fill: frame, edge, ink: soft, soft };
  }

  isDim(unit) {
    return this.marks !== null && !unit.items.some((id) => this.marks[id]);
  }

  text(text, style, size, x, y, colour) {
    // x: left, y: middle
    const { c } = this;
    c.font = this.ruler.font(style, size);
    c.fillStyle = colour;
    c.textBaseline = "middle";
    c.fillText(text, x, y);
    this.labels.push({
      text,
      size,
      x,
      y: y - size * 0.55,
      w: (this.ruler.width(text, style) * size) / 100,
      h: size * 1.1,
    });
  }

  // -- cards and piles; true if the name could be written

  box(unit) {
    const { c, colours } = this,
      { k } = this.view,
      [x, y] = this.spot(unit.x, unit.y),
      w = unit.w * k,
      h = unit.h * k;
    const look = this.isDim(unit) ? this.faint(unit.state) : colours.looks[unit.state];
    c.globalAlpha = 1;
    if (unit.kind === "pile" && h > 7) this.shadowCard(unit, look);
    this.shape(unit, look, x, y, w, h);
    const roomRight = unit.kind === "pile" && h > 22 ? 26 * k : 0;
    const done = this.lines(unit, look, x, y, w - roomRight, h);
    if (unit.kind === "pile" && h > 22) this.button(unit, "+", look.ink);
    if (unit.mixed && h > 12) this.shares(unit, x, y, w, h);
    if (h > 14) badgesOf(unit).forEach((state, i) => this.badge(state, x + w - i * 15 * Math.min(1, Math.max(0.7, k)), y));
    return done;
  }

  shadowCard(unit, look) {
    const { c } = this,
      shift = 4;
    this.rounded({ x: unit.x + shift, y: unit.y + shift, w: unit.w, h: unit.h }, unit.isFile ? 2 : 7);
    c.fillStyle = look.fill;
    c.fill();
    c.strokeStyle = unit.state === 0 ? this.colours.paper : look.edge;
    c.lineWidth = 1;
    c.stroke();
    this.rounded(unit, unit.isFile ? 2 : 7, 1);
    c.fillStyle = this.colours.paper;
    c.fill();
  }

  shares(unit, x, y, w, h) {
    // a band at the foot: how many of a pile are in which state; none of them too narrow to be seen
    const { c, colours } = this,
      { k } = this.view,
      high = Math.max(5, 10 * k),
      least = Math.min(w / 8, Math.max(7, 12 * k));
    const dim = this.isDim(unit),
      counts = [...unit.counts];
    counts[STALE] += counts[AFTER];
    const states = [0, STALE, MISSING, UNKNOWN].filter((state) => counts[state]);
    const shares = states.map((state) => Math.max(least, (w * counts[state]) / unit.items.length));
    shares[shares.indexOf(Math.max(...shares))] -= shares.reduce((sum, share) => sum + share, -w);
    c.save();
    this.rounded(unit, 7);
    c.clip();
    const top = y + h - high;
    let at = x;
    c.lineWidth = 1;
    states.forEach((state, i) => {
      const look = dim ? this.faint(state) : colours.looks[state];
      c.fillStyle = look.fill;
      c.fillRect(at, top, shares[i], high);
      c.strokeStyle = look.edge;
      if (state) c.strokeRect(at + 0.5, top + 0.5, shares[i] - 1, high - 1);
      at += shares[i];
    });
    c.fillStyle = colours.seam;
    c.fillRect(x, top - 1.5, w, 1.5);
    c.restore();
    this.rounded(unit, 7);
    c.strokeStyle = dim ? this.faint(unit.state).edge : colours.looks[unit.state].edge;
    c.lineWidth = 1;
    c.stroke();
  }

  shape(unit, look, x, y, w, h) {
    const { c } = this,
      fold = unit.isFile && h > 12 ? Math.min(9, h * 0.3) : 0;
    if (fold) {
      c.beginPath();
      for (const [px, py] of [
        [x, y],
        [x + w - fold, y],
        [x + w, y + fold],
        [x + w, y + h],
        [x, y + h],
      ])
        c.lineTo(px, py);
      c.closePath();
    } else this.rounded(unit, unit.isFile ? 2 : 7);
    c.fillStyle = look.fill;
    c.fill();
    if (h < 5) return;
    c.strokeStyle = look.edge;
    c.lineWidth = unit.state === CHANGED ? 1.6 : 1;
    if (isDashed(unit.state)) c.setLineDash([4, 3]);
    c.stroke();
    c.setLineDash([]);
    if (fold) {
      c.beginPath();
      for (const [px, py] of [
        [x + w - fold, y],
        [x + w - fold, y + fold],
        [x + w, y + fold],
      ])
        c.lineTo(px, py);
      c.closePath();
      c.fillStyle = look.edge;
      c.fill();
    }
  }

  lines(unit, look, x, y, w, h) {
    const { k } = this.view;
    const natural = STYLES[unit.lines[unit.lines.length - 1].style][1] * k >= LEAST;
    if (!natural) return this.small(unit, look, x, y, w, h);
    let at = y + 7 * k;
    for (const each of unit.lines) {
      const { style } = each,
        [, size, line] = STYLES[style];
      const short = this.ruler.line(each, style, size * k, w - 2 * PAD * k + 1);
      if (short) this.text(short, style, size * k, x + PAD * k, at + (line * k) / 2, inkOf(look, style));
      at += line * k;
    }
    return true;
  }

  // The name at a size that can be read, and the arguments if there is room; false if there is none for either.
  small(unit, look, x, y, w, h) {
    const [name, args] = unit.lines;
    const room = w - 8;
    const tail = name.tail || "",
      exact = (room * 100) / this.ruler.width(name.text.slice(0, 400) + tail, name.style);
    const size = Math.min(SMALL, h - 4, Math.max(LEAST, exact));
    const short = size >= LEAST ? this.ruler.line(name, name.style, size, room) : "";
    if (!short || (short !== name.text + tail && (tail || short.length < 8))) return false;
    const more = args && args.style === "args" && !unit.mixed && h >= (SMALL + LEAST) * 1.25 + 3;
    const middle = y + h / 2;
    this.text(short, name.style, size, x + 5, more ? middle - LEAST * 0.65 : middle, look.ink);
    if (more) {
      const words = this.ruler.line(args, args.style, LEAST, room);
      if (words) this.text(words, args.style, LEAST, x + 5, middle + SMALL * 0.65, look.soft);
    }
    return true;
  }

  badge(state, x, y) {
    // filled where the cause lies, hollow where it is only reached
    const { c, colours } = this,
      r = Math.max(5, Math.min(8, 7.5 * this.view.k)),
      isHollow = state === AFTER || state === ACCEPTED,
      [fill, ink] = isHollow ? [colours["badge-ink"], colours.badge] : [colours.badge, colours["badge-ink"]];
    c.beginPath();
    c.arc(x - 1, y + 1, r, 0, 7);
    c.fillStyle = fill;
    c.fill();
    c.strokeStyle = isHollow ? ink : colours.paper;
    c.lineWidth = 1.5;
    c.stroke();
    c.font = "700 " + r * 1.45 + "px sans-serif";
    c.fillStyle = ink;
    c.textAlign = "center";
    c.fillText(SIGNS[state], x - 1, y + 1.5);
    c.textAlign = "left";
  }

  button(unit, sign, colour) {
    const { c } = this,
      middle = buttonOf(unit),
      [x, y] = this.spot(middle.x, middle.y),
      r = 7.5 * this.view.k;
    c.strokeStyle = colour;
    c.lineWidth = Math.max(1, 1.3 * this.view.k);
    c.beginPath();
    c.arc(x, y, r, 0, 7);
    c.moveTo(x - r * 0.5, y);
    c.lineTo(x + r * 0.5, y);
    if (sign === "+") {
      c.moveTo(x, y - r * 0.5);
      c.lineTo(x, y + r * 0.5);
    }
    c.stroke();
  }

  // -- frames

  frame(unit) {
    const { c, colours } = this,
      alpha = this.isDim(unit) ? 0.4 : 1;
    c.globalAlpha = alpha;
    this.rounded(unit, 10);
    c.fillStyle = colours.frame;
    c.fill();
    c.strokeStyle = colours["frame-edge"];
    c.lineWidth = 1;
    c.stroke();
  }

  cells(unit) {
    const { c } = this,
      { k } = this.view,
      groups = this.colours.looks.map(() => []);
    const first = Math.max(0, Math.floor((this.view.y - unit.y - HEAD) / (CELL + CELL_GAP)) * unit.columns);
    const last = Math.min(
      unit.items.length,
      (Math.ceil((this.view.y + this.height / k - unit.y - HEAD) / (CELL + CELL_GAP)) + 1) * unit.columns,
    );
    for (let i = first; i < last; i++) {
      const box = cellBox(unit, i),
        id = unit.items[i];
      if (this.visible(box)) groups[this.model.items[id].state].push([box, id]);
    }
    for (const dim of this.marks ? [true, false] : [false]) {
      const chosen = (all) => all.filter(([, id]) => !this.marks || dim === !this.marks[id]);
      groups.forEach((all, state) => this.cellShapes(chosen(all), state, dim));
    }
    c.globalAlpha = 1;
    const size = STYLES.cell[1] * k,
      small = size < LEAST;
    if (!small || (CELL * k >= 11 && unit.cw * k >= 44))
      for (const all of groups) this.cellTexts(all, small ? LEAST : size);
    c.globalAlpha = 1;
    const head = Math.max(13 * k, Math.min(OVERLAY, HEAD * k - 3));
    if (head < LEAST) return false;
    const room = (unit.w - (HEAD * k > 16 ? 46 : 2 * PAD)) * k,
      text = this.ruler.line(unit.head, "head", head, room);
    if (text) this.text(text, "head", head, ...this.spot(unit.x + PAD + 1, unit.y + 17), this.colours.ink);
    if (HEAD * k > 16) this.button(unit, "-", this.colours.soft);
    return text !== "";
  }

  cellShapes(cells, state, dim) {
    // all of one state as one shape: ten thousand of them cost little
    const { c, colours } = this,
      { k } = this.view,
      look = dim ? this.faint(state) : colours.looks[state],
      detailed = CELL * k > 7;
    if (!cells.length) return;
    c.globalAlpha = 1;
    c.beginPath();
    for (const [box] of cells) {
      const [x, y] = this.spot(box.x, box.y);
      if (detailed) c.roundRect(x, y, box.w * k, box.h * k, (isSheet(state) ? 2 : 5) * k);
      else c.rect(x, y, Math.max(1, box.w * k), Math.max(1, box.h * k));
    }
    c.fillStyle = dim && !detailed ? colours["frame-edge"] : look.fill;
    c.fill();
    if (!detailed && !dim && isDashed(state)) {
      // too small for an outline, so darker than the paper
      c.globalAlpha *= 0.5;
      c.fillStyle = look.edge;
      c.fill();
    }
    if (!detailed) return;
    c.strokeStyle = look.edge;
    c.lineWidth = 1;
    if (isDashed(state)) c.setLineDash([4, 3]);
    c.stroke();
    c.setLineDash([]);
  }

  cellTexts(cells, size) {
    const { k } = this.view;
    for (const [box, id] of cells) {
      const item = this.model.items[id],
        [x, y] = this.spot(box.x, box.y),
        pad = Math.min(9 * k, 8);
      const sign = SIGNS[item.state];
      const ink = this.marks && !this.marks[id] ? this.colours.soft : this.colours.looks[item.state].ink;
      const room = box.w * k - 2 * pad - (sign ? size * 0.8 : 0),
        text = this.ruler.fitted(cellText(item), "cell", size, room, "cell:" + item.group);
      if (text) this.text(text, "cell", size, x + pad, y + (CELL * k) / 2 + 0.5, ink);
      if (sign) this.text(sign, "name", size, x + box.w * k - pad - size * 0.3, y + (CELL * k) / 2 + 0.5, ink);
    }
  }
}
