// The picture: one box a function, light blue ones for its files. All text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 52, FILE_HEIGHT = 30, PAD = 13, WIDEST = 230, SMALLEST = .72;
const ruler = document.createElement("canvas").getContext("2d");

function make(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// Control characters as the signs that stand for them.
function plain(text) {
  return text.replace(/[\u0000-\u001f]/g, c => String.fromCharCode(0x2400 + c.charCodeAt(0))).replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

function measure(text, bold) {
  ruler.font = `${bold ? "650 13.5px" : "12px"} system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
  return ruler.measureText(text).width;
}

// The text, cut in the middle if it is too wide.
function fit(text, bold, room = WIDEST) {
  if (text.length < 200 && measure(text, bold) <= room) return text;
  const cut = n => text.slice(0, Math.ceil(n / 2)) + "…" + text.slice(text.length - Math.floor(n / 2));
  let low = 1, high = Math.min(text.length - 1, 200);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (measure(cut(middle), bold) <= room) low = middle; else high = middle - 1;
  }
  return cut(low);
}

// As most of its calls are; a band shows the part that is stale.
function stateOf(row) { return !row.calls ? "missing" : row.stale && 2 * row.stale >= row.calls ? "stale" : "fresh"; }

const bareName = row => row.label.split(".").pop();

// How far the tasks are that carry the function's name, if no other function has it.
function tasksOf(row) {
  const name = bareName(row);
  if (data.functions.filter(f => bareName(f) === name).length > 1) return null;
  const tasks = data.tasks[name];
  return tasks && tasks.done < tasks.all ? tasks : null;
}

function detailOf(row) {
  const tasks = tasksOf(row);
  if (tasks) return `${number(tasks.done)} of ${number(tasks.all)} tasks` + (row.stale ? ` · ${number(row.stale)} stale` : "");
  if (!row.calls) return row.failures ? `failed ${number(row.failures)} ×` : "missing";
  const calls = several(row.calls, "call");
  return row.stale ? `${calls} · ${number(row.stale)} stale` : row.hits ? `${calls} · ${several(row.hits, "hit")}` : calls;
}

class Picture {
  constructor(home, pick) {
    this.home = home;
    this.pick = pick;
    this.shape = null;
    this.parts = new Map();
    this.before = new Map();
  }

  // The boxes stay where they are as long as functions and edges are the same; a wider text makes room for itself.
  show(data) {
    const texts = data.functions.map(f => [f.name, f.label, detailOf(f).replace(/\d/g, "0"), f.files, stateOf(f), Boolean(f.stale)]);
    const shape = JSON.stringify([texts, data.edges.map(e => e.slice(0, 3))]);
    if (shape !== this.shape) {
      this.shape = shape;
      this.draw(data);
    }
    for (const row of data.functions) this.renew(row);
  }

  draw(data) {
    this.parts.clear();
    if (!data.functions.length) return this.home.replaceChildren(empty());
    const boxes = new Map(), links = [];
    for (const row of data.functions) {
      const width = Math.max(measure(fit(plain(row.label), true), true), measure(detailOf(row))) + 2 * PAD;
      boxes.set(row.name, { width: Math.max(96, Math.ceil(width)), height: HEIGHT, row });
      if (row.files) {
        const text = several(row.files, "file");
        boxes.set(`${row.name}\nfiles`, { width: Math.ceil(measure(text)) + 2 * PAD + 6, height: FILE_HEIGHT, text });
        links.push({ from: row.name, to: `${row.name}\nfiles`, kind: "file", count: row.files });
      }
    }
    for (const [a, b, kind, count] of data.edges) links.push({ from: data.functions[a].name, to: data.functions[b].name, kind, count });
    this.paint(boxes, this.plan(boxes, links), links);
    this.mark(null);
  }

  // What has links in layers; what has none in rows below.
  plan(boxes, links) {
    const linked = new Set(links.flatMap(l => l.from === l.to ? [] : [l.from, l.to]));
    const plan = arrange(new Map([...boxes].filter(([id]) => linked.has(id))), links);
    const room = Math.max(plan.width, Math.min(1000, this.home.clientWidth - 64));
    let x = 0, y = plan.height + (plan.height && linked.size < boxes.size ? 2 * GAP_Y : 0);
    for (const [id, { width, height }] of boxes) {
      if (linked.has(id)) continue;
      if (x && x + width > room) { x = 0; y += height + GAP_Y; }
      plan.at.set(id, { x, y: y + height / 2, width, height });
      plan.height = y + height;
      plan.width = Math.max(plan.width, x + width);
      x += width + GAP_Y;
    }
    return plan;
  }

  paint(boxes, plan, links) {
    const edge = 14, width = plan.width + 2 * edge, height = plan.height + 2 * edge;
    const svg = make("svg", { width, height, viewBox: `${-edge} ${-edge} ${width} ${height}` });
    const paired = new Set();
    for (const { from, to, kind } of links) if (kind === "flow" && links.some(l => l.kind === "call" && l.from === from && l.to === to)) paired.add(`${from}\n${to}`);
    this.lines = plan.chains.map(chain => this.line(svg, chain, plan.at, paired));
    for (const [id, box] of boxes) svg.append(box.row ? this.box(id, box, plan.at.get(id)) : this.files(id, box, plan.at.get(id)));
    this.svg = svg;
    this.home.replaceChildren(svg);
    this.resize();
  }

  // As large as there is room, but not so small that texts cannot be read: then it scrolls.
  resize() {
    if (!this.svg) return;
    const box = this.svg.viewBox.baseVal, scale = Math.max(SMALLEST, Math.min(1, (this.home.clientWidth - 36) / box.width));
    this.svg.setAttribute("width", box.width * scale);
    this.svg.setAttribute("height", box.height * scale);
  }

  line(svg, { link, chain, turned }, at, paired) {
    const shift = paired.has(`${link.from}\n${link.to}`) ? (link.kind === "flow" ? 7 : -7) : 0;
    const tipLeft = (link.kind === "flow") !== turned;
    const points = [];
    chain.forEach((id, i) => {
      const { x, y, width } = at.get(id);
      if (i) points.push([x - (i === chain.length - 1 && !tipLeft ? 5 : 0), y + shift]);
      if (i < chain.length - 1) points.push([x + width + (!i && tipLeft ? 5 : 0), y + shift]);
    });
    let d = `M${points[0]}`;
    for (let i = 1; i < points.length; i++) {
      const y0 = points[i - 1][1], [x1, y1] = points[i], start = Math.max(points[i - 1][0], x1 - GAP_X + 10), middle = (start + x1) / 2;
      d += i % 2 ? `L${start},${y0}C${middle},${y0} ${middle},${y1} ${x1},${y1}` : `L${x1},${y1}`;
    }
    const path = make("path", { class: `link ${link.kind}`, d }, make("title", {}, `${link.kind === "flow" ? "results taken" : link.kind}: ${number(link.count)}`));
    svg.append(path);
    const parts = [path];
    if (link.kind !== "file") {
      const [x, y] = tipLeft ? [points[0][0] - 5, points[0][1]] : [points[points.length - 1][0] + 5, points[points.length - 1][1]];
      parts.push(make("path", { class: "tip", d: tipLeft ? `M${x},${y}l9,-4v8z` : `M${x},${y}l-9,-4v8z` }));
      svg.append(parts[1]);
    }
    return { link, parts };
  }

  box(id, { row, width }, { x, y }) {
    const top = y - HEIGHT / 2, glow = make("rect", { class: "glow", x: x - 3, y: top - 3, width: width + 6, height: HEIGHT + 6, rx: 9 });
    const detail = make("text", { x: x + PAD, y: top + 37 }), badge = make("g", { class: "badge" });
    const box = make("g", { class: `box ${stateOf(row)}` }, make("title", {}, plain(row.name)), glow,
      make("rect", { class: "shape", x, y: top, width, height: HEIGHT, rx: 7 }),
      make("text", { class: "name", x: x + PAD, y: top + 20.5 }, fit(plain(row.label), true)), detail,
      ...(row.stale && row.stale < row.calls ? this.band(row, x, top, width) : []), badge);
    box.addEventListener("mouseenter", () => this.pick(id));
    box.addEventListener("mouseleave", () => this.pick(null));
    this.parts.set(id, { box, detail, badge, glow, corner: [x + width - 2, top + 2] });
    return box;
  }

  band(row, x, top, width) {
    const part = Math.min(width - 12, Math.max(12, width * row.stale / row.calls)), y = top + HEIGHT - 8;
    const piece = (kind, left, wide) => make("rect", { class: kind, x: left, y, width: wide, height: 7, rx: 2 });
    return [make("rect", { class: "seam", x: x + 1, y: y - 1.5, width: width - 2, height: 1.5 }), piece("rest", x + 1, width - part - 2), piece("share", x + width - part - 1, part)];
  }

  files(id, { text, width }, { x, y }) {
    const top = y - FILE_HEIGHT / 2, fold = 8, right = x + width;
    const box = make("g", { class: "box file" },
      make("path", { class: "shape", d: `M${x + 3},${top}H${right - fold}L${right},${top + fold}V${top + FILE_HEIGHT - 3}q0,3 -3,3H${x + 3}q-3,0 -3,-3V${top + 3}q0,-3 3,-3z` }),
      make("path", { class: "fold", d: `M${right - fold},${top}V${top + fold}H${right}z` }),
      make("text", { x: x + PAD, y: y + 4.5 }, text));
    this.parts.set(id, { box });
    return box;
  }

  // What changes from second to second: the counts, the badge, and a glow for what ran or was hit just now.
  renew(row) {
    const part = this.parts.get(row.name), before = this.before.get(row.name);
    this.before.set(row.name, row);
    if (!part) return;
    part.detail.textContent = detailOf(row);
    const [x, y] = part.corner, signs = [row.stale && "!", row.failures && "×"].filter(Boolean);
    part.badge.replaceChildren(...signs.flatMap((sign, i) => [make("circle", { cx: x - 18 * i, cy: y, r: 8, class: sign === "×" ? "bad" : "" }), make("text", { x: x - 18 * i, y: y + 4 }, sign)]));
    const runs = data.running.some(call => call.label === bareName(row));
    const news = runs ? " runs" : !before ? "" : row.runs > before.runs ? " ran" : row.hits > before.hits ? " hit" : "";
    part.glow.setAttribute("class", `glow${news}`);
  }

  // Show what belongs to one function; the rest steps back.
  mark(id) {
    if (!this.svg) return;
    this.svg.classList.toggle("picked", id !== null && this.parts.has(id));
    const near = new Set([id]);
    for (const { link, parts } of this.lines) {
      const on = link.from === id || link.to === id;
      for (const part of parts) part.classList.toggle("on", on);
      if (on) { near.add(link.from); near.add(link.to); }
    }
    for (const [name, { box }] of this.parts) box.classList.toggle("on", near.has(name));
  }
}

function empty() {
  const box = document.createElement("p"), head = document.createElement("b");
  box.className = "empty";
  head.textContent = "No cached call yet";
  box.append(head, "Functions appear here as soon as their calls end on this cluster.");
  return box;
}
