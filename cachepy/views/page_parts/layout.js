// Positions: boxes of given sizes and the edges between them into columns, with a route for each edge.

const GAP_BOX = 18,
  GAP_LINE = 12,
  GAP_LAYER = 58,
  GAP_LAYER_MOST = 190;
const STRETCH = 1.6; // a card is widened to the width of its layer up to this factor
const MANY = 260; // boxes, from which on edges run straight and long columns are folded

// Gives each box its x and y (upper left), each edge its route (points), and the size of it all.
function arrange(boxes, edges) {
  const joined = new Uint8Array(boxes.length);
  for (const { a, b } of edges) joined[a] = joined[b] = 1;
  const linked = [],
    loose = [],
    place = new Int32Array(boxes.length);
  boxes.forEach((box, i) => {
    place[i] = linked.length;
    (joined[i] ? linked : loose).push(box);
  });
  const own = edges.map((edge) => ({ a: place[edge.a], b: place[edge.b], kind: edge.kind, edge }));
  const size = linked.length ? layered(linked, own) : { width: 0, height: 0 };
  return loose.length ? addRows(loose, size) : size;
}

function layered(boxes, edges) {
  const back = backEdges(boxes.length, edges);
  const forward = edges.map((e, i) => (back.has(i) ? { ...e, a: e.b, b: e.a } : e));
  const last = boxes.map((box) => box.isFile);
  const many = boxes.length > MANY,
    places = boxes.map((box) => box.rank);
  const net = buildNet(boxes.length, many ? forward.map((e) => ({ ...e, kind: 0 })) : forward, last, places);
  if (many) net.chains = net.chains.map((chain) => [chain[0], chain[chain.length - 1]]);
  reduceCrossings(net);
  const size = many ? placeFolded(net, boxes) : placeEven(net, boxes);
  edges.forEach((e, i) => {
    const route = routeOf(net, boxes, net.chains[i], forward[i]);
    e.edge.route = back.has(i) ? route.reverse() : route;
  });
  return size;
}

function placeEven(net, boxes) {
  const tall = (name) => (name < net.n ? boxes[name].h : 0);
  const y = heights(net, tall);
  let top = Infinity,
    bottom = -Infinity,
    x = 0;
  for (const name of net.layers.flat()) {
    top = Math.min(top, y[name] - tall(name) / 2);
    bottom = Math.max(bottom, y[name] + tall(name) / 2);
  }
  net.y = y.map((v) => v - top);
  net.span = [];
  for (const layer of net.layers) {
    const width = Math.max(0, ...layer.map((name) => (name < net.n ? boxes[name].w : 0)));
    let steep = 0;
    for (const name of layer) {
      net.span[name] = [x, x + width];
      for (const m of net.right[name]) steep = Math.max(steep, Math.abs(y[name] - y[m]));
      if (name < net.n) placed(boxes[name], x, net.y[name], width);
    }
    const least = Math.max(net.layers.length > 9 ? 44 : GAP_LAYER, width * 0.12); // wide frames need more air
    x += width + Math.max(least, Math.min(GAP_LAYER_MOST, 34 + 0.2 * steep));
  }
  return { width: Math.max(...boxes.map((box) => box.x + box.w)), height: bottom - top };
}

function placed(box, x, middle, width) {
  const w = box.kind === "frame" || width > box.w * STRETCH ? box.w : width;
  Object.assign(box, { x, y: middle - box.h / 2, w });
}

function heights(net, tall) {
  // centres: pulled to the mean of the neighbours, as far as there is room
  const y = new Float64Array(net.left.length);
  const offsets = net.layers.map((layer) => {
    let at = 0;
    return layer.map((name, i) => {
      const before = layer[i - 1];
      const gap = !i ? 0 : name < net.n && before < net.n ? GAP_BOX : GAP_LINE;
      at += i ? tall(before) / 2 + gap + tall(name) / 2 : 0;
      return at;
    });
  });
  net.layers.forEach((layer, k) =>
    layer.forEach((name, i) => {
      y[name] = offsets[k][i] - offsets[k][layer.length - 1] / 2;
    }),
  );
  for (let round = 0; round < 24; round++) {
    const way = round % 2 ? -1 : 1;
    for (let j = 0; j < net.layers.length; j++) {
      const k = way > 0 ? j : net.layers.length - 1 - j,
        layer = net.layers[k];
      const wanted = layer.map((name, i) => {
        const sides = round < 16 ? [way > 0 ? net.left[name] : net.right[name]] : [net.left[name], net.right[name]];
        const near = sides.flat();
        const pull = near.length ? near.reduce((sum, m) => sum + y[m], 0) / near.length : y[name];
        return { want: pull - offsets[k][i], weight: near.length ? (name < net.n ? 1 : 3) : 0.1 };
      });
      pool(wanted).forEach((v, i) => {
        y[layer[i]] = v + offsets[k][i];
      });
    }
  }
  return y;
}

function pool(wanted) {
  // the nearest values in ascending order, by least squares: neighbours out of order are merged
  const blocks = [];
  for (const { want, weight } of wanted) {
    let block = { sum: want * weight, weight, size: 1 };
    while (
      blocks.length &&
      blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight > block.sum / block.weight
    ) {
      const before = blocks.pop();
      block = { sum: before.sum + block.sum, weight: before.weight + block.weight, size: before.size + block.size };
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, weight, size }) => Array(size).fill(sum / weight));
}

function placeFolded(net, boxes) {
  // each layer in as many columns as make the whole about as high as wide
  let area = 0;
  for (const box of boxes) area += (box.w + GAP_BOX) * (box.h + GAP_BOX);
  const most = Math.max(900, Math.sqrt(area) * 0.7);
  let x = 0,
    bottom = 0;
  for (const layer of net.layers) {
    const columns = [[]];
    let y = 0;
    for (const name of layer.filter((each) => each < net.n)) {
      if (y && y + boxes[name].h > most) {
        columns.push([]);
        y = 0;
      }
      columns[columns.length - 1].push(name);
      y += boxes[name].h + GAP_BOX;
    }
    for (const column of columns) {
      const high = column.reduce((sum, name) => sum + boxes[name].h + GAP_BOX, -GAP_BOX);
      let top = columns.length > 1 ? 0 : Math.max(0, (most - high) / 2);
      for (const name of column) {
        Object.assign(boxes[name], { x, y: top });
        top += boxes[name].h + GAP_BOX;
      }
      bottom = Math.max(bottom, top - GAP_BOX);
      x += column.reduce((wide, name) => Math.max(wide, boxes[name].w), 0) + GAP_BOX * 1.5;
    }
    x += GAP_LAYER_MOST;
  }
  return { width: x - GAP_LAYER_MOST - GAP_BOX * 1.5, height: bottom };
}

const dockOf = (kind) => (kind === FLOWS ? 0.68 : kind === CALLS ? 0.4 : 0.5); // results have points of their own

function routeOf(net, boxes, chain, edge) {
  const a = boxes[chain[0]],
    b = boxes[chain[chain.length - 1]];
  const dock = dockOf(edge.kind);
  const points = [[a.x + a.w, a.y + a.h * dock]];
  if (net.span && chain.length > 2) points.push([net.span[chain[0]][1], points[0][1]]); // on to the end of the layer
  for (const name of chain.slice(1, -1))
    points.push([net.span[name][0], net.y[name]], [net.span[name][1], net.y[name]]);
  points.push([b.x, b.y + b.h * dock]);
  return points;
}

function addRows(boxes, size) {
  // boxes without edges, in rows below everything else
  const width = Math.max(...boxes.slice(0, 5000).map((box) => box.w)),
    step = width + 1.5 * GAP_BOX;
  const area = boxes.reduce((sum, box) => sum + step * (box.h + GAP_BOX), 0);
  const limit = Math.max(size.width, 600, Math.sqrt(area * 1.6));
  let x = 0,
    y = size.height ? size.height + 3 * GAP_BOX : 0,
    high = 0,
    right = 0;
  for (const box of boxes) {
    if (x && x + box.w > limit) {
      x = 0;
      y += high + GAP_BOX;
      high = 0;
    }
    Object.assign(box, { x, y });
    high = Math.max(high, box.h);
    right = Math.max(right, x + box.w);
    x += Math.max(step, box.w + 1.5 * GAP_BOX);
  }
  return { width: Math.max(size.width, right), height: y + high };
}
