// For windows too narrow for columns: one box under the other, calls below their caller and further in. Lines to what
// stands below go down at the left, where no box is; all others pass at the right.

const NARROW = 560, // pixels; from here on the drawing has columns
  INDENT = 20,
  LANE = 7,
  MOST_LANES = 5,
  ROW_GAP = 10,
  WIDEST = 420;

function arrangeNarrow(boxes, edges, room) {
  const rows = walked(boxes, edges),
    lanes = Math.min(MOST_LANES, edges.length),
    inner = room - 10 - lanes * LANE;
  const most = Math.floor((inner * 0.35) / INDENT);
  let y = 0;
  for (const { box, depth } of rows) {
    const x = Math.min(depth, most) * INDENT,
      wide = Math.min(WIDEST, inner - x);
    if (box.kind === "frame") shapedInto(box, wide);
    Object.assign(box, { x, y, w: wide });
    y += box.h + ROW_GAP;
  }
  const parents = new Map(rows.map(({ box, parent }) => [box, parent])),
    far = [];
  for (const edge of edges) {
    const a = boxes[edge.a],
      b = boxes[edge.b];
    if (parents.get(b) === a && b.x > a.x) edge.route = down(a, b, edge.kind);
    else far.push(edge);
    edge.straight = true;
  }
  passRight(boxes, far, inner);
  return { width: room - 2, height: y - ROW_GAP };
}

function walked(boxes, edges) {
  // depth first, siblings by rank; files after the calls
  const next = boxes.map(() => []),
    entered = new Uint8Array(boxes.length),
    met = new Uint8Array(boxes.length),
    rows = [];
  for (const { a, b } of edges) {
    next[a].push(b);
    entered[b] = 1;
  }
  const late = (i) => Number(boxes[i].isFile),
    order = (i, j) => late(j) - late(i) || boxes[j].rank - boxes[i].rank; // the last one is taken first
  const all = [...boxes.keys()].sort(order);
  const todo = [...all, ...all.filter((i) => !entered[i])].map((i) => [i, 0, null]);
  while (todo.length) {
    const [i, depth, parent] = todo.pop();
    if (met[i]) continue;
    met[i] = 1;
    rows.push({ box: boxes[i], depth, parent });
    for (const b of [...new Set(next[i])].sort(order)) if (!met[b]) todo.push([b, depth + 1, boxes[i]]);
  }
  return rows;
}

function down(a, b, kind) {
  const x = a.x + 5 + 5 * kind,
    y = b.y + b.h * dockOf(kind);
  return [
    [x, a.y + a.h],
    [x, y],
    [b.x, y],
  ];
}

function passRight(boxes, edges, inner) {
  // each in the first lane that is free over its height; where all are taken, in the last one
  const free = [];
  const span = ({ a, b }) => [boxes[a].y, boxes[b].y].sort((p, q) => p - q);
  for (const edge of [...edges].sort((p, q) => span(p)[0] - span(q)[0])) {
    const a = boxes[edge.a],
      b = boxes[edge.b],
      [top, bottom] = span(edge);
    let lane = free.findIndex((until) => until < top);
    if (lane < 0) lane = Math.min(free.length, MOST_LANES - 1);
    free[lane] = Math.max(free[lane] || 0, bottom + Math.max(a.h, b.h));
    const x = inner + 5 + lane * LANE,
      [from, to] = [a.y + a.h * dockOf(edge.kind), b.y + b.h * dockOf(edge.kind)];
    edge.route = [
      [a.x + a.w, from],
      [x, from],
      [x, to],
      [b.x + b.w, to],
    ];
  }
}
