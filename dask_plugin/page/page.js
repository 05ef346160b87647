// The page: asks for the data once a second and shows them.

const byId = id => document.getElementById(id);
const home = location.pathname.replace(/\/+$/, "");
const whole = new Intl.NumberFormat("en"), rounded = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const number = n => whole.format(n);
const HOUR = 3600;

function duration(s) {
  if (!s) return "0 s";
  if (s < 1e-3) return `${rounded.format(s * 1e6)} µs`;
  if (s < 1) return `${rounded.format(s * 1e3)} ms`;
  if (s < 60) return `${rounded.format(s)} s`;
  const whole = Math.round(s);
  if (whole < HOUR) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 48 * HOUR) return `${Math.floor(whole / HOUR)} h ${Math.floor(whole % HOUR / 60)} min`;
  return `${number(Math.round(whole / HOUR / 24))} days`;
}

function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  while (n >= 999.5 && i < units.length - 1) { n /= 1000; i++; }
  return `${i ? rounded.format(n) : number(n)} ${units[i]}`;
}

function ago(last, now) {
  const s = Math.max(0, Math.round(now - last));
  return s < 2 ? "now" : s < 60 ? `${s} s ago` : s < HOUR ? `${Math.floor(s / 60)} min ago` : s < 48 * HOUR ? `${Math.floor(s / HOUR)} h ago` : new Date(last * 1000).toLocaleDateString();
}

const share = row => row.hits + row.runs ? row.hits / (row.hits + row.runs) : 0;
const percent = row => row.hits + row.runs ? `${Math.floor(100 * share(row))} %` : "–";

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// ---- tiles

const tasksIn = () => Object.values(data.tasks).reduce((sum, t) => ({ all: sum.all + t.all, done: sum.done + t.done, running: sum.running + t.running, failed: sum.failed + t.failed }), { all: 0, done: 0, running: 0, failed: 0 });
const several = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

function tasksNote() {
  const { running, failed, all } = tasksIn();
  return [running && `${number(running)} running`, failed && `${number(failed)} failed`].filter(Boolean).join(", ") || (all ? "of the cluster, done" : "of the cluster");
}

const TILES = [
  ["Tasks", () => { const { done, all } = tasksIn(); return all ? `${number(done)} of ${number(all)}` : "0"; }, tasksNote, () => { const { done, all } = tasksIn(); return all ? done / all : 0; }],
  ["Hit rate", percent, t => `of ${several(t.hits + t.runs, "result")}`, share],
  ["Hits", t => number(t.hits), t => "from the cache"],
  ["Runs", t => number(t.runs), t => t.runs ? `${duration(t.run_seconds)} in all` : ""],
  ["Time saved", t => duration(t.saved_seconds), t => "by hits"],
  ["Written", t => bytes(t.bytes), t => "on disk"],
  ["Waits", t => number(t.waits), t => t.waits ? `${duration(t.wait_seconds)} for others` : "for others"],
  ["Failures", t => number(t.failures), t => "calls that raised"],
];

function showTiles(totals) {
  const tiles = TILES.map(([name, value, note, part]) => {
    const tile = element("div", "", `tile${name === "Failures" && totals.failures ? " bad" : ""}`);
    tile.append(element("span", name), element("b", value(totals)));
    tile.append(element("small", note(totals)));
    if (part) {
      tile.append(element("div", "", "meter"));
      tile.lastChild.append(element("i"));
      tile.lastChild.firstChild.style.width = `${100 * part(totals)}%`;
    }
    return tile;
  });
  byId("tiles").replaceChildren(...tiles);
}

// ---- what runs, what is stale and why, what failed

const clock = seconds => new Date(seconds * 1000).toLocaleTimeString();

function rowsOf(list, made, none) {
  byId(list).replaceChildren(...(made.length ? made : [element("li", none, "none")]));
}

function line(head, ...rest) {
  const made = element("li");
  made.append(element("b", head), ...rest.filter(Boolean));
  return made;
}

function showNow() {
  const { running, more_running: more, causes, again, failures } = data;
  const told = kind => ({ function: name, text, last, times, worker }) => line(plain(name), element("span", plain(text), kind), element("span", `${times > 1 ? `${number(times)} times, last ` : ""}${ago(last, data.time)}${worker ? `, on ${plain(worker)}` : ""}`));
  byId("runningnote").textContent = running.length ? several(running.length + more, "call") + " for a second or more" : "";
  rowsOf("running", running.map(({ title, since, worker }) => line(plain(title), element("span", `for ${duration(Math.max(1, Math.round(data.time - since)))}, since ${clock(since)}${worker ? `, on ${plain(worker)}` : ""}`))), "No call has been running for a second.");
  if (more) byId("running").append(element("li", `and ${number(more)} more`, "none"));
  byId("causescard").hidden = !causes.length;
  rowsOf("causes", causes.map(({ text, calls, above }) => line(plain(text), element("span", `${several(calls, "call")}${above ? ` and ${number(above)} above` : ""}`))), "");
  byId("failurescard").hidden = !failures.length;
  rowsOf("failures", failures.map(told("message")), "");
  byId("againcard").hidden = !again.length;
  rowsOf("again", again.map(told("reason")), "");
}

// ---- table

const COLUMNS = [
  ["Function", "name"], ["Calls", "calls"], ["Runs", "runs"], ["Hits", "hits"], ["Hit rate", "share"], ["Waits", "waits"],
  ["Failures", "failures"], ["Time saved", "saved_seconds"], ["Written", "bytes"], ["Last run", "last"],
];
const TEXTS = { saved_seconds: duration, bytes };
let sorted = ["last", -1], data = null;

function makeHead() {
  for (const [title, column] of COLUMNS) {
    const cell = element("th"), button = element("button", title);
    button.type = "button";
    button.addEventListener("click", () => {
      sorted = [column, sorted[0] === column ? -sorted[1] : column === "name" ? 1 : -1];
      showTable();
    });
    cell.scope = "col";
    cell.append(button);
    byId("functions").tHead.rows[0].append(cell);
  }
}

function compare(a, b) {
  const [column, way] = sorted, pick = row => column === "share" ? share(row) : row[column] ?? -1;
  const [p, q] = [pick(a), pick(b)];
  return (p < q ? -1 : p > q ? 1 : 0) * way || (a.name < b.name ? -1 : 1);
}

function rowOf(row) {
  const line = element("tr");
  line.dataset.name = row.name;
  const name = element("td"), base = row.name.endsWith(`.${row.label}`) ? row.name.slice(0, -row.label.length - 1) : "";
  name.append(element("bdi", fit(plain(row.label), true, 300)), element("span", base ? fit(plain(base), false, 200) : "", "home"));
  name.title = plain(row.name);
  line.append(name);
  for (const [, column] of COLUMNS.slice(1)) line.append(cellOf(row, column));
  line.addEventListener("mouseenter", () => pick(row.name));
  line.addEventListener("mouseleave", () => pick(null));
  return line;
}

function cellOf(row, column) {
  if (column === "last") return element("td", row.last ? ago(row.last, data.time) : "–", row.last ? "" : "none");
  if (column === "share") {
    const cell = element("td", percent(row)), bar = element("span", "", "bar");
    bar.append(element("i"));
    bar.firstChild.style.width = `${100 * share(row)}%`;
    cell.append(bar);
    return cell;
  }
  const value = row[column];
  return element("td", (TEXTS[column] || number)(value), !value ? "none" : column === "failures" ? "bad" : "");
}

function showTable() {
  const wanted = byId("filter").value.toLowerCase();
  const rows = data.functions.filter(row => row.name.toLowerCase().includes(wanted)).sort(compare);
  COLUMNS.forEach(([, column], i) => {
    const cell = byId("functions").tHead.rows[0].cells[i];
    if (column === sorted[0]) cell.setAttribute("aria-sort", sorted[1] > 0 ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
  const lines = rows.map(rowOf);
  if (!lines.length) {
    const cell = element("td", data.functions.length ? "No function has this in its name." : "Nothing has run yet.", "none");
    cell.colSpan = COLUMNS.length;
    lines.push(element("tr"));
    lines[0].append(cell);
  }
  byId("functions").tBodies[0].replaceChildren(...lines);
  markRow();
}

let picked = null;
function pick(name) {
  picked = name;
  picture.mark(name);
  markRow();
}
function markRow() {
  for (const line of byId("functions").tBodies[0].rows) line.classList.toggle("on", picked !== null && line.dataset.name === picked);
}

// ---- all of it, once a second

function say(state, text) {
  byId("pulse").dataset.state = state;
  if (byId("pulse").textContent !== text) byId("pulse").textContent = text;
}

async function look() {
  try {
    const answer = await fetch(`${home}/graph.json`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    data = await answer.json();
  } catch (error) {
    return say("lost", "the scheduler does not answer");
  }
  const calls = several(data.calls, "call");
  say("live", data.behind ? `reading ${calls}, ${number(data.behind)} to go` : `live · ${calls} in the graph`);
  showTiles(data.totals);
  showNow();
  picture.show(data);
  if (picked !== null) picture.mark(picked);
  showTable();
}

async function run() {
  if (!document.hidden || !data) await look();
  setTimeout(run, 1000);
}

function setTheme(dark) { document.documentElement.dataset.theme = dark ? "dark" : "light"; }

const dark = matchMedia("(prefers-color-scheme: dark)");
const asked = new URLSearchParams(location.search).get("theme");
setTheme(asked ? asked === "dark" : dark.matches);
dark.addEventListener("change", () => setTheme(dark.matches));
byId("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
byId("filter").addEventListener("input", () => data && showTable());
document.addEventListener("visibilitychange", () => !document.hidden && look());
const above = home.slice(0, home.lastIndexOf("/"));
byId("status").href = `${above}/status`;
byId("metrics").href = `${above}/metrics`;
const picture = new Picture(byId("picture"), pick);
addEventListener("resize", () => picture.resize());
makeHead();
run();
