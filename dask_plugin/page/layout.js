"use strict";
// Layered layout, left to right: whoever calls or takes stands left of whom it calls or takes from.
// boxes: Map of id -> {width, height}; links: [{from, to, kind}]. Gives each box x and y, each link its points.

const GAP_X = 64, GAP_Y = 22, LANE = 8, LANE_GAP = 8;

function arrange(boxes, links) {
  if (!boxes.size) return { at: new Map(), chains: [], width: 0, height: 0 };
  const net = makeNet(boxes, forward([...boxes.keys()], links));
  orderLayers(net);
  return place(net, boxes);
}

// Links with those turned round that close a circle.
function forward(ids, links) {
  const out = new Map(ids.map(id => [id, []]));
  for (const link of links) if (link.from !== link.to) out.get(link.from).push(link);
  const state = new Map(), turned = new Set();
  const entered = new Set(links.filter(l => l.from !== l.to).map(l => l.to));
  for (const start of [...ids.filter(id => !entered.has(id)), ...ids]) {
    if (state.has(start)) continue;
    const stack = [[start, 0]];
    state.set(start, "open");
    while (stack.length) {
      const top = stack[stack.length - 1], link = out.get(top[0])[top[1]++];
      if (!link) { state.set(top[0], "done"); stack.pop(); }
      else if (state.get(link.to) === "open") turned.add(link);
      else if (!state.has(link.to)) { state.set(link.to, "open"); stack.push([link.to, 0]); }
    }
  }
  return links.filter(l => l.from !== l.to).map(l => turned.has(l) ? { link: l, a: l.to, b: l.from } : { link: l, a: l.from, b: l.to });
}

// The longest path from the left says the layer; what nobody calls moves next to what it calls.
function ranks(ids, edges) {
  const out = new Map(ids.map(id => [id, []])), waits = new Map(ids.map(id => [id, 0])), rank = new Map(ids.map(id => [id, 0]));
  for (const { a, b } of edges) { out.get(a).push(b); waits.set(b, waits.get(b) + 1); }
  const ready = ids.filter(id => !waits.get(id)), sources = [...ready];
  for (const a of ready) for (const b of out.get(a)) {
    rank.set(b, Math.max(rank.get(b), rank.get(a) + 1));
    waits.set(b, waits.get(b) - 1);
    if (!waits.get(b)) ready.push(b);
  }
  for (const a of sources) if (out.get(a).length) rank.set(a, Math.min(...out.get(a).map(b => rank.get(b))) - 1);
  return rank;
}

// Layers of boxes and of bends, where long links pass; links that share an end share their bends.
function makeNet(boxes, edges) {
  const ids = [...boxes.keys()], rank = ranks(ids, edges);
  const layers = Array.from({ length: 1 + Math.max(0, ...rank.values()) }, () => []);
  const net = { layers, left: new Map(), right: new Map(), size: new Map(), chains: [] };
  const add = (id, layer, height) => { layers[layer].push(id); net.size.set(id, height); net.left.set(id, new Set()); net.right.set(id, new Set()); };
  for (const id of ids) add(id, rank.get(id), boxes.get(id).height);
  for (const { link, a, b } of edges) {
    const chain = [a];
    for (let layer = rank.get(a) + 1; layer < rank.get(b); layer++) {
      const bend = `bend\n${a}\n${link.kind}\n${layer}`;
      if (!net.size.has(bend)) add(bend, layer, LANE);
      chain.push(bend);
    }
    chain.push(b);
    chain.slice(1).forEach((id, i) => { net.right.get(chain[i]).add(id); net.left.get(id).add(chain[i]); });
    net.chains.push({ link, chain, turned: link.from !== a });
  }
  return net;
}

// Sweeps that put each box near the middle of its neighbours; the order with the fewest crossings stays.
function orderLayers(net) {
  let best = crossings(net), kept = net.layers.map(layer => [...layer]);
  const at = new Map();
  const note = layer => layer.forEach((id, i) => at.set(id, (i + .5) / layer.length));
  net.layers.forEach(note);
  for (let sweep = 0; sweep < 16 && best; sweep++) {
    const right = sweep % 2 === 0, side = right ? net.left : net.right;
    for (const layer of right ? net.layers.slice(1) : net.layers.slice(0, -1).reverse()) {
      const mean = id => { const s = [...side.get(id)]; return s.length ? s.reduce((sum, n) => sum + at.get(n), 0) / s.length : at.get(id); };
      const means = new Map(layer.map(id => [id, mean(id)]));
      layer.sort((p, q) => means.get(p) - means.get(q));
      note(layer);
    }
    const count = crossings(net);
    if (count < best) { best = count; kept = net.layers.map(layer => [...layer]); }
  }
  net.layers = kept;
}

function crossings(net) {
  let total = 0;
  for (let i = 0; i + 1 < net.layers.length; i++) {
    const at = new Map(net.layers[i + 1].map((id, j) => [id, j])), seen = [];
    for (const id of net.layers[i]) {
      const ends = [...net.right.get(id)].map(n => at.get(n)).filter(n => n !== undefined);
      for (const end of ends) for (const other of seen) if (other > end) total++;
      seen.push(...ends);
    }
  }
  return total;
}

// Heights as near to the neighbours' as the order allows, from both sides in turn.
function place(net, boxes) {
  const y = new Map();
  for (const layer of net.layers) settle(layer, layer.map(() => 0), net, y);
  const sides = [net.left, net.right];
  for (let sweep = 0; sweep < 14; sweep++) {
    const layers = sweep % 2 ? [...net.layers].reverse() : net.layers;
    for (const layer of layers) settle(layer, layer.map(id => wish(id, sweep < 10 ? [sides[sweep % 2]] : sides, y)), net, y);
  }
  const top = Math.min(...[...y].map(([id, middle]) => middle - net.size.get(id) / 2));
  const found = new Map();
  let x = 0, height = 0;
  for (const layer of net.layers) {
    const width = Math.max(0, ...layer.filter(id => boxes.has(id)).map(id => boxes.get(id).width));
    for (const id of layer) {
      found.set(id, { x, y: y.get(id) - top, width: boxes.has(id) ? boxes.get(id).width : width, height: net.size.get(id) });
      height = Math.max(height, y.get(id) - top + net.size.get(id) / 2);
    }
    x += width + GAP_X;
  }
  return { at: found, chains: net.chains, width: Math.max(0, x - GAP_X), height };
}

function wish(id, sides, y) {
  const near = sides.flatMap(side => [...side.get(id)]);
  return near.length ? near.reduce((sum, n) => sum + y.get(n), 0) / near.length : y.get(id);
}

// The heights nearest to the wishes that keep order and distance: neighbours that would overlap move as one.
// Bends weigh more than boxes, so that long links run straight.
function settle(layer, wishes, net, y) {
  const blocks = [];
  const isBend = id => id.startsWith("bend\n");
  let offset = 0;
  layer.forEach((id, i) => {
    if (i) offset += (net.size.get(layer[i - 1]) + net.size.get(id)) / 2 + (isBend(id) && isBend(layer[i - 1]) ? LANE_GAP : GAP_Y);
    const weight = isBend(id) ? 6 : 1;
    let block = { sum: (wishes[i] - offset) * weight, weight, members: [[id, offset]] };
    while (blocks.length && blocks[blocks.length - 1].sum / blocks[blocks.length - 1].weight >= block.sum / block.weight) {
      const last = blocks.pop();
      block = { sum: last.sum + block.sum, weight: last.weight + block.weight, members: [...last.members, ...block.members] };
    }
    blocks.push(block);
  });
  for (const block of blocks) for (const [id, off] of block.members) y.set(id, block.sum / block.weight + off);
}
