// The page: what is open, chosen and highlighted; clicks and keys.

const MOST_CALLS = 120,
  MOST_FILES = 40; // one by one at first
const byId = (id) => document.getElementById(id);

class Page {
  constructor() {
    const canvas = byId("graph");
    this.model = buildModel();
    this.painter = new Painter(canvas, getComputedStyle(document.body).fontFamily, buildScopes(this.model));
    this.camera = new Camera(this.painter, () => this.repaint());
    this.camera.foot = () => byId("legend").offsetHeight + 30;
    this.camera.covered = () => this.covered();
    this.panel = new Panel(byId("panel"), this.model, {
      choose: (id) => this.choose(id, true),
      chooseCause: (id) => this.chooseCause(id),
      keepCause: (id) => this.keepCause(id),
      showCauses: () => this.showCauses(),
      toggle: (group) => this.toggle(group),
      close: () => this.clear(),
      reach: (which) => this.setReach(which),
      isOpen: (group) => this.open.has(group),
    });
    this.search = new Search(this.model, {
      choose: (id) => {
        this.choose(id, true);
        canvas.focus();
      },
      found: (ids) => {
        this.hits = ids;
        this.repaint();
      },
      leave: () => canvas.focus(),
    });
    this.table = new Table(byId("tableview"), this.model, { choose: (id) => this.choose(id, false) });
    this.tip = new Tip(byId("tip"), byId("stage"));
    Object.assign(this, { canvas, withFiles: true, hits: [], reachOf: 3, item: null, group: null, cause: null });
    Object.assign(this, { keep: null, wanted: [], withReach: false, keptCause: null, inCauses: false });
    this.tellCounts();
    this.addFilters();
    this.painter.resize();
    this.openAll(this.model.calls <= MOST_CALLS);
    addPointer(this);
    addKeys(this);
    addButtons(this);
  }

  tellCounts() {
    const { model } = this,
      files = model.items.length - model.calls;
    const functions = model.groups.filter((group) => !group.isFile).length;
    const parts = [plural(model.calls, "call"), plural(functions, "function"), plural(files, "file")];
    if (DATA.unchecked) parts.push(DATA.unchecked);
    byId("counts").textContent = parts.join(" · ");
    byId("empty").hidden = model.calls > 0;
    byId("acceptedkey").hidden = !model.items.some(isAccepted);
    if (DATA.asked) return;
    byId("freshword").textContent = "cached call";
    for (const entry of document.querySelectorAll(".asked")) entry.hidden = true;
  }

  covered() {
    // how much of the canvas the panel hides at the right, and at the bottom
    const panel = byId("panel");
    if (getComputedStyle(panel).position !== "absolute") return [0, 0];
    return this.camera.narrow ? [0, panel.offsetHeight] : [panel.offsetWidth, 0];
  }

  // -- what is open

  openAll(calls) {
    const few = this.keep || this.model.items.length - this.model.calls <= MOST_FILES;
    const wanted = this.model.groups.filter((group) =>
      group.isFile ? few || (calls && this.model.calls > MOST_CALLS) : calls,
    );
    this.open = new Set(wanted.map((group) => group.id));
    this.arrange();
    this.camera.fitAll(false);
  }

  toggle(group) {
    const before = this.scene.units.find((unit) => unit.group === group);
    if (this.open.has(group)) this.open.delete(group);
    else this.open.add(group);
    this.arrange();
    this.chooseGroup(group); // first, as the panel takes some of the room
    const units = this.scene.units.filter((unit) => unit.group === group),
      bounds = boundsOf(units);
    if (units.length && before) {
      // the group stays where it was on the screen, and then comes into view as a whole
      this.camera.set({
        ...this.camera.now,
        x: this.camera.x + bounds.x - before.x,
        y: this.camera.y + bounds.y - before.y,
      });
      const all = this.camera.fitting(this.scene.bounds);
      if (all.k >= 0.5) this.camera.fitAll(true);
      else this.camera.glide(this.camera.fitting(bounds));
    }
  }

  arrange() {
    const { open, withFiles, keep, painter } = this;
    this.camera.narrow = painter.width <= NARROW;
    const room = this.camera.narrow ? painter.width - 20 : 0;
    this.scene = buildScene(this.model, { open, withFiles, keep, room }, painter.ruler.measure);
    this.scene.narrow = this.camera.narrow;
    this.camera.frameAll(this.scene.bounds);
    const groups = this.model.groups.filter((group) => !group.isFile && group.items.length > 1),
      opened = groups.filter((group) => open.has(group.id));
    this.allOpen = groups.length === opened.length;
    this.allClosed = !opened.length && groups.length > 0;
    this.tellView();
    this.highlight();
  }

  tellView() {
    const table = this.table.isShown;
    byId("bycall").setAttribute("aria-pressed", String(!table && this.allOpen));
    byId("byfunction").setAttribute("aria-pressed", String(!table && this.allClosed));
    byId("astable").setAttribute("aria-pressed", String(table));
    this.canvas.tabIndex = table ? -1 : 0;
    this.canvas.setAttribute("aria-hidden", String(table));
  }

  showTable(yes) {
    if (yes) this.table.show(this.keep, this.withFiles);
    else this.table.hide();
    this.tip.hide();
    this.tellView();
    (yes ? this.table.home : this.canvas).focus({ preventScroll: true });
  }

  // -- what is chosen

  // One thing at a time: an item, a group, the causes or one of them; or nothing.
  select(chosen) {
    Object.assign(this, { item: null, group: null, cause: null, inCauses: false, ...chosen });
    this.tell();
  }

  choose(id, bring) {
    const { group } = this.model.items[id];
    if (this.keep && !this.keep[id]) this.filter([], false, null); // what is asked for by name is shown
    if (this.model.items[id].path && !this.withFiles) this.showFiles(true);
    if (!this.open.has(group) && this.model.groups[group].items.length > 1) {
      this.open.add(group);
      this.arrange();
    }
    this.select({ item: id });
    const box = itemBox(this.scene, id);
    if (bring && !this.camera.shows(box)) this.camera.centre(box);
    else if (!this.camera.fitted || this.camera.narrow || this.camera.covered()[0]) this.camera.reveal(box);
  }

  chooseGroup(group) {
    const { items } = this.model.groups[group];
    if (items.length === 1) return this.choose(items[0], false);
    this.select({ group });
  }

  clear() {
    this.select({});
    (this.table.isShown ? this.table.home : this.canvas).focus({ preventScroll: true });
  }

  // The top calls in turn.
  showTop() {
    const { tops } = this.model;
    if (tops.length) this.choose(tops[(tops.indexOf(this.item) + 1) % tops.length], true);
  }

  tell() {
    const { item, group, cause, model, panel } = this;
    if (item !== null) panel.showItem(item, this.reachOf);
    else if (group !== null) panel.showGroup(group, this.reachOf);
    else if (cause !== null) panel.showCause(cause, this.keptCause === cause);
    else if (this.inCauses) panel.showCauses();
    else panel.hide();
    byId("causes").setAttribute("aria-expanded", String(this.inCauses));
    byId("said").textContent = [byId("kept").textContent, this.said(model)].filter(Boolean).join(". ");
    this.table.mark(item);
    this.resized();
    if (this.camera.fitted && !this.camera.narrow && !this.camera.covered()[0]) this.camera.fitAll(true); // the panel takes room, or gives it back
    this.highlight();
  }

  said(model) {
    if (this.item !== null) {
      const { name, words, state } = model.items[this.item];
      return [name, words, isKnown(state) ? WORDS[state] : ""].filter(Boolean).join(", ");
    }
    if (this.group !== null) {
      const { name, items, isFile } = model.groups[this.group];
      return name + ", " + plural(items.length, isFile ? "file" : "call");
    }
    if (this.cause !== null) return model.causes[this.cause].text + ": " + model.causes[this.cause].reach;
    return this.inCauses ? "Causes" : "Nothing chosen";
  }

  setReach(which) {
    this.reachOf = which;
    for (const element of byId("panel").querySelectorAll("[data-reach]"))
      element.setAttribute("aria-pressed", String(Number(element.dataset.reach) === which));
    this.highlight();
  }

  marked() {
    // what is highlighted, or null
    const { item, group, cause, model } = this;
    if (cause !== null) {
      const marks = new Uint8Array(model.items.length),
        { direct, above, files } = model.causes[cause];
      for (const id of [...direct, ...above, ...files]) marks[id] = 3;
      return marks;
    }
    const starts = item !== null ? [item] : group !== null ? model.groups[group].items : [];
    return starts.length ? closure(model, starts, this.reachOf) : null;
  }

  highlight() {
    const marks = this.marked();
    const linked = marks && new Set(),
      inner = [],
      { scene, model } = this;
    const lit = (i) => marks[model.edges[i].a] & marks[model.edges[i].b];
    if (marks)
      scene.edges.forEach((edge, i) => {
        if (edge.edges.some(lit)) linked.add(i);
      });
    const framed = (id) => scene.unitOf[id] >= 0 && scene.units[scene.unitOf[id]].kind === "frame";
    const near = new Set(this.item === null ? [] : [...model.left[this.item], ...model.right[this.item]]);
    const candidates = this.item === null ? [] : model.edges.keys();
    for (const i of candidates) {
      const { a, b } = model.edges[i],
        both = scene.unitOf[a] >= 0 && scene.unitOf[b] >= 0;
      if (both && lit(i) && (framed(a) || framed(b)) && (near.has(i) || inner.length < 1500)) inner.push(i);
    }
    Object.assign(this, { marks, linked, inner });
    this.repaint();
  }

  showFiles(yes) {
    this.withFiles = yes;
    byId("files").setAttribute("aria-pressed", String(yes));
    if (
      !yes &&
      ((this.item !== null && this.model.items[this.item].path) ||
        (this.group !== null && this.model.groups[this.group].isFile))
    )
      this.clear();
    this.arrange();
    if (this.table.isShown) this.table.show(this.keep, yes);
  }

  // -- drawing

  resized() {
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === this.painter.width && clientHeight === this.painter.height) return;
    const width = this.painter.width;
    this.painter.resize();
    if (this.camera.narrow ? width !== clientWidth : clientWidth <= NARROW) this.arrange(); // other columns
    this.camera.frameAll(this.scene.bounds);
    if (this.camera.fitted) this.camera.fitAll(false);
    this.paintNow(); // a canvas that was resized is empty until it is painted
  }

  repaint() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.paintNow());
  }

  paintNow() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.scene) return;
    const { scene, model, marks, linked, inner, camera, item, group } = this;
    const hits = this.hits.filter((id) => scene.unitOf[id] >= 0).slice(0, 2000);
    this.painter.paint({
      scene,
      model,
      marks,
      linked,
      inner,
      hits,
      view: camera.now,
      chosen: { items: item === null ? [] : [item], group },
    });
    this.painted ??= performance.now();
    this.frames = (this.frames || 0) + 1;
  }
}
