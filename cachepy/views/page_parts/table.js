// The same as a table: for screen readers, and to sort. Only as many rows as one reads at once are made.

const ROWS = 200;
const TABLE_COLUMNS = [
  ["State", (item) => urgency(item.state), ""],
  ["Call or file", (item) => item.rank, ""],
  ["Why", whyOf, ""],
  ["Took", (item) => item.call?.elapsed ?? -1, "spare"],
  ["Ran", (item) => item.call?.created ?? -1, "spare"],
];

const oneWord = (state) => ({ [AFTER]: "stale", [CHANGED]: "changed" })[state] || WORDS[state]; // why stands beside it

class Table {
  constructor(home, model, actions) {
    Object.assign(this, { home, model, actions, by: 0, way: 1, most: ROWS, keep: null, withFiles: true });
    this.home.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") event.stopPropagation(); // arrows scroll here, and letters are no commands
    });
  }

  show(keep, withFiles) {
    Object.assign(this, { keep, withFiles, most: ROWS });
    this.draw();
    this.home.hidden = false;
  }

  hide() {
    this.home.hidden = true;
    this.home.replaceChildren();
  }

  get isShown() {
    return !this.home.hidden;
  }

  sorted() {
    const value = TABLE_COLUMNS[this.by][1];
    const items = this.model.items.filter(
      (item) => (!this.keep || this.keep[item.id]) && (item.call || this.withFiles),
    );
    const values = new Map(items.map((item) => [item, value(item)]));
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    return items.sort((a, b) => this.way * compare(values.get(a), values.get(b)) || a.rank - b.rank);
  }

  draw() {
    const items = this.sorted(),
      shown = items.slice(0, this.most),
      calls = items.filter((item) => item.call).length;
    const files = items.length - calls,
      about = plural(calls, "call") + (files ? ", " + plural(files, "file") : "");
    const rest = items.length - shown.length,
      caption = tag("caption", "", about + (rest ? "; the first " + number(shown.length) + " are shown" : ""));
    const head = tag("thead", "", tag("tr", "", ...TABLE_COLUMNS.map((column, i) => this.head(column, i))));
    const rows = shown.map((item) => this.row(item));
    const more = rest ? button("Show " + number(Math.min(ROWS, rest)) + " more", "wide", () => this.more()) : null;
    this.home.replaceChildren(...[tag("table", "", caption, head, tag("tbody", "", ...rows)), more].filter(Boolean));
  }

  more() {
    const first = this.most;
    this.most += ROWS;
    this.draw();
    this.home.querySelectorAll("tbody button")[first]?.focus();
  }

  head([title, , look], i) {
    const sort = button(title, "", () => {
      this.way = this.by === i ? -this.way : 1;
      this.by = i;
      this.draw();
      this.home.querySelectorAll("thead button")[i].focus();
    });
    const cell = tag("th", look, sort);
    cell.scope = "col";
    if (this.by === i) cell.setAttribute("aria-sort", this.way > 0 ? "ascending" : "descending");
    return cell;
  }

  row(item) {
    const { call, path, state, id } = item,
      when = call && call.created !== null ? new Date(call.created * 1000).toLocaleString() : "";
    const name_ = tag("th", "", button(path || titleOf(item), "link", () => this.actions.choose(id)));
    name_.scope = "row";
    const row = tag(
      "tr",
      "",
      tag("td", "state", stateKey(state), isKnown(state) ? oneWord(state) : "call"),
      name_,
      tag("td", "", whyOf(item)),
      tag("td", "spare time", call ? seconds(call.elapsed) : ""),
      tag("td", "spare", when),
    );
    row.dataset.item = id;
    return row;
  }

  mark(id) {
    for (const row of this.home.querySelectorAll("tbody tr"))
      row.setAttribute("aria-current", String(Number(row.dataset.item) === id));
  }
}
