// The graph in memory. Items are calls, then files; groups are functions, then folders. Each edge leads from what
// depends (left) to what it depends on (right), so a result that is taken leads back to the call that gave it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const FIELDS = ["fn", "hash", "args", "files", "created", "elapsed", "outfile", "state", "reasons", "causes", "accepted", "sources", "why"];
const STALE = 1,
  MISSING = 2,
  UNKNOWN = 3,
  FILE = 4,
  AFTER = 5, // stale because of another
  CHANGED = 6, // a file
  ACCEPTED = 7; // fresh because a person said so: a mark, no state
const KINDS = ["fresh", "stale", "missing", "unknown", "file", "after", "changed"], // by state; 0 is fresh
  SIGNS = ["", "!", "/", "?", "", "!", "!", "✓"],
  WORDS = ["fresh", "stale", "missing", "unknown", "file", "stale because of another call", "changed file"];
const CALLS = 0,
  FLOWS = 1,
  READS = 2; // kinds of edges
const MOST_TOPS = 3;

function telling(text) {
  // of a path its last part
  const plain = text.replace(/^['"]|['"]$/g, "");
  return plain.includes("/") && !plain.includes(" ") ? plain.replace(/\/+$/, "").split("/").pop() || plain : plain;
}

const titleOf = ({ name, words }) => (words ? name + " · " + words : name);

function addGroup(model, name, detail, isFile) {
  model.groups.push({ id: model.groups.length, name, detail, isFile, items: [] });
  return model.groups.length - 1;
}

function addItem(model, group, item) {
  const id = model.items.length;
  model.items.push({ id, group, ...item });
  model.groups[group].items.push(id);
  return id;
}

function addCalls(model) {
  for (const [name, module] of DATA.functions) addGroup(model, name, module, false);
  DATA.calls.forEach((row, i) => {
    const call = Object.fromEntries(FIELDS.map((field, at) => [field, row[at]]));
    const words = call.args.map(([, text]) => telling(text)).join(", ");
    addItem(model, call.fn, { call, name: DATA.functions[call.fn][0], words, state: call.state, rank: DATA.ranks[i] });
  });
  const seen = new Map(); // where two calls would look alike, a bit of the key tells them apart
  for (const item of model.items) {
    const look = item.group + "\n" + item.words;
    if (seen.has(look)) for (const twin of [seen.get(look), item]) twin.alike = true;
    seen.set(look, item);
  }
  for (const item of model.items) if (item.alike) item.words = (item.words + " #" + item.call.hash.slice(0, 6)).trim();
}

const isAccepted = ({ call, state }) => Boolean(call && call.accepted && !state);

function addFiles(model) {
  const folders = new Map(),
    changed = new Map(DATA.changed.map(([file, ...news]) => [file, news]));
  DATA.files.forEach((path, i) => {
    const cut = path.lastIndexOf("/"),
      folder = cut < 0 ? "" : path.slice(0, cut) || "/";
    if (!folders.has(folder)) folders.set(folder, addGroup(model, telling(folder) || "/", folder, true));
    const [news, happened] = changed.get(i) || ["", ""],
      state = news ? CHANGED : FILE;
    addItem(model, folders.get(folder), {
      path, name: path.slice(cut + 1) || path, words: "", state, news, happened, rank: model.calls + i,
    });
  });
}

function addEdges(model) {
  const join = (a, b, kind, names) => model.edges.push({ a, b, kind, names });
  for (const [a, b] of DATA.edges) join(a, b, CALLS);
  for (const [a, b, names] of DATA.flows) join(b, a, FLOWS, names);
  DATA.calls.forEach((row, i) => row[3].forEach(([file]) => join(i, DATA.calls.length + file, READS)));
  model.right = model.items.map(() => []);
  model.left = model.items.map(() => []);
  model.edges.forEach(({ a, b }, i) => {
    model.right[a].push(i);
    model.left[b].push(i);
  });
}

function expanded(runs) {
  // first, length, first, length, ... as numbers
  const found = [];
  for (let i = 0; i < runs.length; i += 2) for (let k = 0; k < runs[i + 1]; k++) found.push(runs[i] + k);
  return found;
}

function addCauses(model) {
  model.causes = DATA.causes.map(([text, reach, direct, above, file, diff], id) => {
    const calls = expanded(direct),
      first = model.items[calls[0]]?.state;
    return {
      id, text, reach, diff, direct: calls, above: expanded(above),
      state: first === UNKNOWN || first === MISSING ? first : STALE, files: file < 0 ? [] : [model.calls + file],
    };
  });
}

// The calls that no other call made or took the result of, and that lead on: where a graph begins.
function addTops(model) {
  const leads = (item) => model.right[item.id].length;
  const called = (item) => item.call && !model.left[item.id].length && leads(item);
  const tops = model.items.filter(called).sort((a, b) => leads(b) - leads(a) || a.rank - b.rank);
  const large = tops.filter((item) => leads(item) * 3 >= leads(tops[0])); // the others are ends on the side
  model.tops = large.slice(0, MOST_TOPS).map((item) => item.id);
}

function buildModel() {
  const model = { items: [], groups: [], edges: [], calls: DATA.calls.length };
  addCalls(model);
  addFiles(model);
  addEdges(model);
  addCauses(model);
  addTops(model);
  for (const item of model.items) item.text = (item.name + " " + item.words + " " + (item.path || "")).toLowerCase();
  return model;
}

// What a set of items depends on (bit 1), and what depends on them (bit 2); they themselves have both.
function closure(model, starts, which) {
  const marks = new Uint8Array(model.items.length);
  for (const [bit, lists, end] of [
    [1, model.right, "b"],
    [2, model.left, "a"],
  ]) {
    if (!(which & bit)) continue;
    const todo = [...starts];
    while (todo.length) {
      const item = todo.pop();
      if (marks[item] & bit) continue;
      marks[item] |= bit;
      for (const i of lists[item]) todo.push(model.edges[i][end]);
    }
  }
  for (const item of starts) marks[item] |= 3;
  return marks;
}

function countStates(model, ids) {
  const counts = [0, 0, 0, 0, 0, 0, 0];
  for (const id of ids) counts[model.items[id].state]++;
  return counts;
}

// As people count them: what is stale because of another is stale.
const told = (counts) =>
  [
    [counts[STALE] + counts[AFTER], "stale"],
    [counts[MISSING], "missing"],
    [counts[UNKNOWN], "unknown"],
    [counts[0], "fresh"],
  ].filter(([n]) => n);

const number = (n) => n.toLocaleString("en-US");
const plural = (n, word) => number(n) + " " + word + (n === 1 ? "" : "s");

function seconds(s) {
  if (s === null || s === undefined) return "not known";
  if (s < 0.9995) return (Math.max(s, 0) * 1000).toFixed(0) + " ms";
  if (s < 9.95) return s.toFixed(1) + " s";
  const whole = Math.round(s);
  for (const [unit, name, below, small] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    const rest = Math.floor((whole % unit) / below);
    if (whole >= unit) return number(Math.floor(whole / unit)) + " " + name + (rest ? " " + rest + " " + small : "");
  }
  return whole + " s";
}
