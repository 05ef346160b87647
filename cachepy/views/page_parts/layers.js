// Which box stands in which layer, and in what order: short edges, few crossings. Boxes are numbers 0 … n-1.

const MAX_BENDS = 3000; // beyond it long edges run straight: a drawing that large is not followed by eye

function backEdges(n, edges) {
  // to be turned round, so that no cycle is left: those that lead back in a walk
  const out = Array.from({ length: n }, () => []),
    entered = new Uint8Array(n);
  edges.forEach((edge, i) => {
    out[edge.a].push(i);
    entered[edge.b] = 1;
  });
  const back = new Set(),
    state = new Uint8Array(n),
    next = new Int32Array(n);
  const starts = [...Array(n).keys()];
  for (const start of [...starts.filter((i) => !entered[i]), ...starts]) {
    const stack = state[start] ? [] : [start];
    while (stack.length) {
      const top = stack[stack.length - 1];
      state[top] = 1;
      if (next[top] === out[top].length) {
        state[top] = 2;
        stack.pop();
        continue;
      }
      const i = out[top][next[top]++],
        target = edges[i].b;
      if (state[target] === 0) stack.push(target);
      else if (state[target] === 1) back.add(i);
    }
  }
  return back;
}

function ranks(n, edges, last) {
  // longest path from the left; then sources move right, next to what they lead to
  const out = Array.from({ length: n }, () => []),
    waiting = new Int32Array(n),
    rank = new Int32Array(n);
  for (const { a, b } of edges) {
    out[a].push(b);
    waiting[b]++;
  }
  const ready = [...Array(n).keys()].filter((i) => !waiting[i]),
    sources = ready.length;
  for (let k = 0; k < ready.length; k++) {
    for (const b of out[ready[k]]) {
      rank[b] = Math.max(rank[b], rank[ready[k]] + 1);
      if (!--waiting[b]) ready.push(b);
    }
  }
  for (const i of ready.slice(0, sources)) {
    if (out[i].length) rank[i] = out[i].reduce((least, b) => Math.min(least, rank[b]), Infinity) - 1;
  }
  let end = -1;
  for (let i = 0; i < n; i++) if (!last[i]) end = Math.max(end, rank[i]);
  for (let i = 0; i < n; i++) if (last[i]) rank[i] = end + 1;
  const used = [...new Set(rank)].sort((a, b) => a - b),
    place = new Map(used.map((r, i) => [r, i]));
  return rank.map((r) => place.get(r));
}

// Layers of boxes and bends (numbers from n on), each edge's chain of them, and the neighbours on both sides.
// places: by which siblings are ordered; a bend has that of the box to which it leads.
function buildNet(n, edges, last, places) {
  const rank = ranks(n, edges, last),
    place = [...places],
    layers = [];
  for (let i = 0; i < n; i++) (layers[rank[i]] ||= []).push(i);
  const bends = new Map(),
    left = Array.from({ length: n }, () => []),
    right = Array.from({ length: n }, () => []);
  const join = (a, b) => {
    if (!right[a].includes(b)) {
      right[a].push(b);
      left[b].push(a);
    }
  };
  const bend = (edge, layer) => {
    // long edges of one box and kind share bends: they run as one line while they can
    const key = edge.a + " " + edge.kind + " " + layer;
    if (!bends.has(key)) {
      bends.set(key, n + bends.size);
      layers[layer].push(n + bends.size - 1);
      left.push([]);
      right.push([]);
      place.push(places[edge.b]);
    }
    return bends.get(key);
  };
  const chains = edges.map((edge) => {
    const chain = [edge.a];
    if (bends.size + rank[edge.b] - rank[edge.a] < MAX_BENDS) {
      for (let layer = rank[edge.a] + 1; layer < rank[edge.b]; layer++) chain.push(bend(edge, layer));
    }
    chain.push(edge.b);
    if (edges.length < 5000 || chain.length > 2) for (let i = 1; i < chain.length; i++) join(chain[i - 1], chain[i]);
    else {
      right[edge.a].push(edge.b);
      left[edge.b].push(edge.a);
    }
    return chain;
  });
  return { layers, chains, left, right, n, rank: place };
}

function firstOrder(net) {
  // of a depth-first walk, siblings by rank: trees come out without any crossing
  const met = new Map(),
    byRank = (a, b) => net.rank[a] - net.rank[b];
  for (const next of net.right) next.sort(byRank);
  for (const start of net.layers.flatMap((layer) => [...layer].sort(byRank))) {
    const stack = [start];
    while (stack.length) {
      const name = stack.pop();
      if (met.has(name)) continue;
      met.set(name, met.size);
      for (let i = net.right[name].length; i--;) stack.push(net.right[name][i]);
    }
  }
  for (const layer of net.layers) layer.sort((a, b) => met.get(a) - met.get(b));
}

function crossings(net, at) {
  let total = 0;
  for (const layer of net.layers) {
    const ends = []; // sorted
    for (const name of layer) {
      const targets = net.right[name].map((b) => at[b]);
      for (const t of targets) total += ends.length - upper(ends, t);
      for (const t of targets) ends.splice(upper(ends, t), 0, t);
    }
  }
  return total;
}

function upper(sorted, value) {
  let low = 0,
    high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sortByNeighbours(layer, side, height) {
  // those without neighbours on this side keep their places
  const means = new Map();
  for (const name of layer) {
    const near = side[name];
    if (near.length) means.set(name, near.reduce((sum, m) => sum + height[m], 0) / near.length);
  }
  const movable = [...means.keys()].sort((a, b) => means.get(a) - means.get(b));
  let k = 0;
  for (let i = 0; i < layer.length; i++) if (means.has(layer[i])) layer[i] = movable[k++];
  layer.forEach((name, i) => {
    height[name] = (i + 0.5) / layer.length;
  });
}

function reduceCrossings(net) {
  // sweep right and left, each layer in the order of its neighbours; keep the best seen
  firstOrder(net);
  const size = net.left.length,
    height = new Float64Array(size),
    at = new Int32Array(size);
  const number = () =>
    net.layers.forEach((layer) =>
      layer.forEach((name, i) => {
        at[name] = i;
      }),
    );
  net.layers.forEach((layer) =>
    layer.forEach((name, i) => {
      height[name] = (i + 0.5) / layer.length;
    }),
  );
  number();
  const counted = size < 1500;
  let best = counted ? crossings(net, at) : Infinity,
    order = net.layers.map((layer) => [...layer]);
  for (let sweep = 0; sweep < (size < 500 ? 20 : 4) && best; sweep++) {
    const turned = sweep % 2,
      layers = turned ? [...net.layers].reverse() : net.layers;
    for (const layer of layers.slice(1)) sortByNeighbours(layer, turned ? net.right : net.left, height);
    number();
    const count = counted ? crossings(net, at) : 0;
    if (count < best || !counted) {
      best = counted ? count : best;
      order = net.layers.map((layer) => [...layer]);
    }
  }
  net.layers = order;
  if (counted) keepSiblings(net, at);
}

// Neighbours in a layer stand by rank, wherever that costs no crossing.
function keepSiblings(net, at) {
  for (const layer of net.layers)
    layer.forEach((name, i) => {
      at[name] = i;
    });
  const cost = (a, b) => {
    // crossings of their edges, a above b
    let total = 0;
    for (const side of [net.left, net.right])
      for (const p of side[a]) for (const q of side[b]) if (at[p] > at[q]) total++;
    return total;
  };
  let todo = true,
    budget = 3e6; // comparisons of edges: two hubs beside each other are not worth a second
  while (todo && budget > 0) {
    // it ends: each swap leaves one pair less in the wrong order
    todo = false;
    for (const layer of net.layers)
      for (let i = 0; i + 1 < layer.length; i++) {
        const [a, b] = [layer[i], layer[i + 1]];
        if (net.rank[a] <= net.rank[b]) continue;
        budget -= net.left[a].length * net.left[b].length + net.right[a].length * net.right[b].length;
        if (cost(b, a) > cost(a, b)) continue;
        [layer[i], layer[i + 1]] = [b, a];
        [at[a], at[b]] = [i + 1, i];
        todo = true;
      }
  }
}
