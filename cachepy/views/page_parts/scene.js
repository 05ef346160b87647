// What is shown: a unit is one box of the drawing. A group that is open shows its items as cards, or as cells of one
// frame if they are many; a closed one is a pile.

const FRAMED_CALLS = 16,
  FRAMED_FILES = 8; // an open group with more items than this is a frame
const PAD = 12,
  CELL = 26,
  CELL_GAP = 5,
  HEAD = 30;
const WIDE = 1.9; // a drawing of this shape fills the window; wider ones get higher frames
const MOST_WIDE = 196,
  WHY_ROOM = 118; // of a card, and of a reason in it
const STYLES = {
  // weight and slant, size, height of a line
  name: ["600", 12.5, 17],
  args: ["400", 11.5, 16],
  why: ["italic 400", 11, 15],
  head: ["600", 13, 18],
  cell: ["400", 11.5, 16],
};

function reasonInShort(item) {
  if (item.path) return item.happened; // its name stands above
  return DATA.whys[item.call.why].slice(0, 200);
}

function whyOf(item) {
  // why it is not as it was, at more length; nothing of what is
  return item.path ? item.news : item.state ? reasonInShort(item) : "";
}

function wrapped(text, room, measure) {
  // in two lines; what is more is cut when it is drawn
  const words = text.split(" ");
  let first = words.shift();
  while (words.length && measure(first + " " + words[0], "why") <= room) first += " " + words.shift();
  return [first, words.join(" ")].filter(Boolean);
}

function card(model, id, measure) {
  const item = model.items[id],
    lines = [{ text: item.name, style: item.path ? "cell" : "name", scope: item.path ? "files" : "names" }];
  if (item.words) lines.push({ text: item.words, style: "args", scope: "args:" + item.group });
  const wide = Math.max(WHY_ROOM, ...lines.map(({ text, style }) => measure(text, style)));
  const why = item.state && item.state !== FILE ? wrapped(reasonInShort(item), Math.min(wide, MOST_WIDE - 2 * PAD), measure) : [];
  lines.push(...why.map((text) => ({ text, style: "why" })));
  return sized(
    { kind: "card", group: item.group, items: [id], isFile: Boolean(item.path), state: item.state, lines, accepted: isAccepted(item) },
    measure,
    0,
  );
}

function pile(model, group, items, measure) {
  const { name, isFile, id } = group,
    counts = countStates(model, items);
  const lines = [{ text: name, tail: tailOf(group, items), style: "name", scope: "names" }];
  const open = told(counts).filter(([, word]) => word !== "fresh");
  let detail = open.map(([n, word]) => number(n) + " " + word).join(", ");
  if (isFile) detail = counts[CHANGED] ? number(counts[CHANGED]) + " changed" : plural(items.length, "file");
  else if (!detail) detail = seconds(items.reduce((sum, i) => sum + (model.items[i].call.elapsed || 0), 0)) + " in all";
  lines.push({ text: detail, style: "args" });
  const state = isFile && counts[CHANGED] ? FILE : counts.indexOf(Math.max(...counts)); // as most of them
  const mixed = !isFile && counts.filter(Boolean).length > 1;
  const accepted = items.some((i) => isAccepted(model.items[i]));
  return sized({ kind: "pile", group: id, items, isFile, state, counts, lines, mixed, accepted }, measure, 26);
}

function tailOf(group, items) {
  // of a name: how many there are, and of how many
  const all = items.length < group.items.length ? " of " + number(group.items.length) : "";
  return (group.isFile ? "/ ×" : " ×") + number(items.length) + all;
}

function sized(unit, measure, more) {
  const widths = unit.lines.map(({ text, style, tail }, i) =>
    style === "why" && i === unit.lines.length - 1
      ? Math.min(WHY_ROOM, measure(text, style))
      : measure(text + (tail || ""), style),
  );
  const wide = Math.max(...widths);
  unit.w = Math.min(MOST_WIDE, Math.max(unit.isFile ? 70 : 92, Math.ceil(wide) + 2 * PAD + 1 + more));
  unit.h =
    unit.lines.reduce((sum, line) => sum + STYLES[line.style][2], 0) +
    (unit.mixed ? 25 : unit.lines.length > 1 ? 15 : 14);
  return unit;
}

function frame(model, group, items, measure) {
  const sample = items.filter((_, i) => i % Math.ceil(items.length / 200) === 0);
  const wide = Math.max(...sample.map((i) => measure(cellText(model.items[i]), "cell")));
  const cw = Math.min(190, Math.max(60, Math.ceil(wide) + 34));
  const head = { text: group.name, tail: tailOf(group, items), scope: "names" };
  const least = Math.min(300, measure(head.text + head.tail, "head") + 60);
  const unit = { kind: "frame", group: group.id, items, isFile: group.isFile, cw, head, least, lines: [] };
  return shaped(unit, 0.8);
}

// A frame about `shape` times as wide as it is high.
function shaped(unit, shape) {
  const { items, cw, least } = unit;
  const columns = Math.max(1, Math.round(Math.sqrt((shape * items.length * (CELL + CELL_GAP)) / (cw + CELL_GAP))));
  const w = Math.max(columns * (cw + CELL_GAP) - CELL_GAP + 2 * PAD, least);
  return Object.assign(unit, { columns, w, h: heightOf(items, columns) });
}

// A frame as wide as there is room.
function shapedInto(unit, room) {
  const columns = Math.max(1, Math.floor((room - 2 * PAD + CELL_GAP) / (Math.min(unit.cw, 150) + CELL_GAP)));
  const cw = (room - 2 * PAD - (columns - 1) * CELL_GAP) / columns;
  return Object.assign(unit, { columns, cw, h: heightOf(unit.items, columns) });
}

const heightOf = (items, columns) => HEAD + Math.ceil(items.length / columns) * (CELL + CELL_GAP) - CELL_GAP + PAD + 6;

function cellText(item) {
  return item.path ? item.name : item.words || "#" + item.call.hash.slice(0, 8);
}

function unitsOf(model, { open, withFiles, keep }, measure) {
  const units = [];
  for (const group of model.groups) {
    if (group.isFile && !withFiles) continue;
    const items = keep ? group.items.filter((id) => keep[id]) : group.items,
      framed = items.length > (group.isFile ? FRAMED_FILES : FRAMED_CALLS);
    if (!items.length) continue;
    if (items.length === 1 || (open.has(group.id) && !framed)) {
      for (const id of items) units.push(card(model, id, measure));
    } else units.push((open.has(group.id) ? frame : pile)(model, group, items, measure));
  }
  for (const unit of units) unit.rank = unit.items.reduce((least, id) => Math.min(least, model.items[id].rank), Infinity);
  return units;
}

// what: open (groups), withFiles, keep (items, or null), room (in pixels, of a narrow window; else 0)
function buildScene(model, what, measure) {
  const units = unitsOf(model, what, measure);
  const unitOf = new Int32Array(model.items.length).fill(-1),
    cellOf = new Int32Array(model.items.length);
  units.forEach((unit, u) =>
    unit.items.forEach((id, i) => {
      unitOf[id] = u;
      cellOf[id] = i;
    }),
  );
  const links = new Map();
  model.edges.forEach(({ a, b, kind }, i) => {
    const from = unitOf[a],
      to = unitOf[b];
    if (from < 0 || to < 0 || from === to) return;
    const key = (from * units.length + to) * 3 + kind;
    if (!links.has(key)) links.set(key, { a: from, b: to, kind, edges: [] });
    links.get(key).edges.push(i);
  });
  const edges = [...links.values()];
  if (what.room) {
    const { width, height } = arrangeNarrow(units, edges, what.room);
    return { units, unitOf, cellOf, edges, bounds: { x: 0, y: 0, right: width, bottom: Math.max(1, height) } };
  }
  const size = arrange(units, edges);
  const wide = size.width / size.height;
  const frames = wide > WIDE ? units.filter((unit) => unit.kind === "frame") : [];
  for (const unit of frames) shaped(unit, Math.max(0.15, (0.8 * WIDE) / wide));
  if (frames.length) arrange(units, edges);
  return { units, unitOf, cellOf, edges, bounds: boundsOf(units) };
}

function boundsOf(boxes) {
  const bounds = { x: Infinity, y: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { x, y, w, h } of boxes) {
    bounds.x = Math.min(bounds.x, x);
    bounds.y = Math.min(bounds.y, y);
    bounds.right = Math.max(bounds.right, x + w);
    bounds.bottom = Math.max(bounds.bottom, y + h);
  }
  return boxes.length ? bounds : { x: 0, y: 0, right: 1, bottom: 1 };
}

function cellBox(unit, i) {
  const column = i % unit.columns,
    row = (i - column) / unit.columns;
  return {
    x: unit.x + PAD + column * (unit.cw + CELL_GAP),
    y: unit.y + HEAD + 3 + row * (CELL + CELL_GAP),
    w: unit.cw,
    h: CELL,
  };
}

function itemBox(scene, id) {
  const unit = scene.units[scene.unitOf[id]];
  return !unit ? null : unit.kind === "frame" ? cellBox(unit, scene.cellOf[id]) : unit;
}

// What is at a point: a unit, in it an item, and whether the point is on the button that opens or closes a group.
function whatIsAt(scene, x, y) {
  const inside = (box) => x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h;
  const unit = scene.units.find(inside);
  if (!unit) return null;
  const spot = buttonOf(unit),
    button = spot !== null && Math.hypot(x - spot.x, y - spot.y) <= 12;
  if (unit.kind === "card") return { unit, item: unit.items[0], button };
  if (unit.kind === "pile" || button) return { unit, item: null, button };
  const column = Math.floor((x - unit.x - PAD) / (unit.cw + CELL_GAP)),
    row = Math.floor((y - unit.y - HEAD - 3) / (CELL + CELL_GAP));
  const i = row * unit.columns + column,
    valid = column >= 0 && column < unit.columns && row >= 0 && i < unit.items.length;
  return { unit, item: valid && inside(cellBox(unit, i)) ? unit.items[i] : null, button: false };
}

function buttonOf(unit) {
  // the middle of the round button that opens a pile or closes a frame
  if (unit.kind === "card") return null;
  return unit.kind === "pile"
    ? { x: unit.x + unit.w - 17, y: unit.y + unit.h / 2 }
    : { x: unit.x + unit.w - 19, y: unit.y + 16 };
}
