// Search by name, argument and file: all words must occur. The list is a listbox, so it is also a way through the graph
// without seeing the drawing.

const MOST_HITS = 60;

class Search {
  constructor(model, actions) {
    Object.assign(this, { model, actions, hits: [], at: -1 }); // actions: choose, found
    for (const id of ["query", "found", "foundcount", "hits"]) this[id + "Box"] = document.getElementById(id);
    this.queryBox.addEventListener("input", () => this.look());
    this.queryBox.addEventListener("focus", () => this.queryBox.value && this.look());
    this.queryBox.addEventListener("blur", () => {
      this.foundBox.hidden = true;
      this.expanded();
    });
    this.queryBox.addEventListener("keydown", (event) => this.key(event));
    this.foundBox.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the input
  }

  look() {
    const words = this.queryBox.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (item) => words.every((word) => item.text.includes(word));
    this.hits = words.length ? this.model.items.filter(fits).map((item) => item.id) : [];
    const first = (id) => Number(!this.model.items[id].name.toLowerCase().startsWith(words[0]));
    if (this.hits.length < 3000) this.hits.sort((a, b) => first(a) - first(b) || a - b);
    this.at = this.hits.length ? 0 : -1;
    this.list(words.length > 0);
    this.actions.found(this.hits);
  }

  list(any) {
    const shown = this.hits.slice(0, MOST_HITS),
      more = this.hits.length - shown.length;
    this.foundcountBox.textContent =
      (this.hits.length ? plural(this.hits.length, "match").replace("matchs", "matches") : "No match") +
      (more > 0 ? ", the first " + MOST_HITS + " shown" : "");
    this.hitsBox.replaceChildren(...shown.map((id, i) => this.row(id, i)));
    this.foundBox.hidden = !any;
    this.mark();
  }

  row(id, i) {
    const { name, words, path, state } = this.model.items[id],
      row = tag("li", "", stateKey(state), tag("b", "", name), tag("span", "", path || words));
    row.id = "hit" + i;
    row.setAttribute("role", "option");
    row.addEventListener("click", () => {
      this.at = i;
      this.take();
    });
    return row;
  }

  mark() {
    [...this.hitsBox.children].forEach((row, i) => row.setAttribute("aria-selected", String(i === this.at)));
    const row = this.hitsBox.children[this.at];
    if (row) row.scrollIntoView({ block: "nearest" });
    this.expanded();
  }

  expanded() {
    this.queryBox.setAttribute("aria-expanded", String(!this.foundBox.hidden));
    const active = !this.foundBox.hidden && this.at >= 0 ? "hit" + this.at : "";
    if (active) this.queryBox.setAttribute("aria-activedescendant", active);
    else this.queryBox.removeAttribute("aria-activedescendant");
  }

  take() {
    if (this.at < 0) return;
    this.foundBox.hidden = true;
    this.expanded();
    this.actions.choose(this.hits[this.at]);
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key],
      many = Math.min(this.hits.length, MOST_HITS);
    if (step && many) {
      this.at = (this.at + step + many) % many;
      this.foundBox.hidden = false;
      this.mark();
    } else if (event.key === "Enter") this.take();
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  clear() {
    this.queryBox.value = "";
    this.look();
    this.actions.leave();
  }
}
