// Which part of the graph is shown: calls in some states, with what they reach, or what one cause makes stale.

const STATES_OF = { stale: [STALE, AFTER], missing: [MISSING], unknown: [UNKNOWN], fresh: [0] };

// Marks of what stays: these calls, all that goes by them if that is asked for, and the files that changed.
function keptBy(model, calls, withReach) {
  const keep = new Uint8Array(model.items.length);
  const marks = withReach ? closure(model, calls, 2) : null;
  for (const id of calls) keep[id] = 1;
  for (const item of model.items) if (marks && marks[item.id] & 2) keep[item.id] = 1;
  for (const item of model.items)
    if (item.state === CHANGED && model.left[item.id].some((i) => keep[model.edges[i].a])) keep[item.id] = 1;
  return keep;
}

Object.assign(Page.prototype, {
  addFilters() {
    const counts = countStates(this.model, [...Array(this.model.calls).keys()]);
    const pills = (DATA.asked ? told(counts) : []).map(([n, word]) => {
      const pill = button(number(n) + " " + word, "pill", () => this.filterState(word));
      pill.prepend(stateKey(STATES_OF[word][0]));
      pill.dataset.state = word;
      pill.title = "Show only these calls";
      return pill;
    });
    byId("states").replaceChildren(...pills);
    byId("reach").hidden ||= !told(counts).some(([, word]) => word === "stale");
    byId("causes").hidden ||= !this.model.causes.length;
    byId("causes").textContent = plural(this.model.causes.length + DATA.causesleft, "cause");
    byId("reach").addEventListener("click", () => this.filterReach());
    byId("all").addEventListener("click", () => this.filter([], false, null));
    byId("causes").addEventListener("click", () => this.toggleCauses());
  },

  filterState(word) {
    const wanted = this.withReach ? [] : this.wanted; // the two are not mixed
    this.filter(wanted.includes(word) ? wanted.filter((each) => each !== word) : [...wanted, word], false, null);
  },

  filterReach() {
    if (byId("reach").hidden) return;
    this.filter(this.withReach ? [] : ["stale"], !this.withReach, null);
  },

  keepCause(id) {
    this.filter([], false, this.keptCause === id ? null : id);
  },

  filter(wanted, withReach, keptCause) {
    Object.assign(this, { wanted, withReach, keptCause });
    const { model } = this,
      states = wanted.flatMap((word) => STATES_OF[word]);
    const cause = keptCause === null ? null : model.causes[keptCause];
    const calls = cause
      ? [...cause.direct, ...cause.above]
      : [...Array(model.calls).keys()].filter((id) => states.includes(model.items[id].state));
    this.keep = cause || wanted.length ? keptBy(model, calls, withReach) : null;
    if (this.item !== null && this.keep && !this.keep[this.item]) this.item = null;
    this.tellFilter();
    const many = this.keep ? this.keep.reduce((sum, each) => sum + each, 0) : model.calls;
    this.openAll(many <= MOST_CALLS);
    if (this.table.isShown) this.table.show(this.keep, this.withFiles);
    this.tell();
  },

  tellFilter() {
    for (const pill of byId("states").children) {
      const on = !this.withReach && this.wanted.includes(pill.dataset.state);
      pill.setAttribute("aria-pressed", String(on));
    }
    byId("reach").setAttribute("aria-pressed", String(this.withReach));
    byId("all").hidden = byId("kept").hidden = !this.keep;
    const calls = this.keep ? this.keep.slice(0, this.model.calls).reduce((sum, each) => sum + each, 0) : 0;
    byId("kept").textContent = this.keep ? number(calls) + " of " + plural(this.model.calls, "call") + " shown" : "";
  },

  // -- causes

  toggleCauses() {
    if (byId("causes").hidden) return;
    if (this.inCauses) this.clear();
    else this.showCauses();
  },

  showCauses() {
    this.select({ inCauses: true });
    byId("panel").querySelector(".cause")?.focus();
  },

  chooseCause(id) {
    this.select({ cause: id, inCauses: true });
    byId("keepcause").focus();
  },
});
