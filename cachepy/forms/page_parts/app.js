// The page: what is open, chosen and highlighted; clicks and keys.

const MOST_CALLS = 120,
  MOST_FILES = 40; // one by one at first
const byId = (id) => document.getElementById(id);

class Page {
  constructor() {
    const canvas = byId("graph");
    this.model = buildModel();
    this.painter = new Painter(canvas, getComputedStyle(document.body).fontFamily);
    this.camera = new Camera(this.painter, () => this.repaint());
    this.camera.foot = () => byId("legend").offsetHeight + 30;
    this.camera.covered = () =>
      getComputedStyle(byId("panel")).position === "absolute" ? byId("panel").offsetWidth : 0;
    this.panel = new Panel(byId("panel"), this.model, {
      choose: (id) => this.choose(id, true),
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
    Object.assign(this, { canvas, withFiles: true, hits: [], reachOf: 3, item: null, group: null });
    this.tellCounts();
    this.painter.resize();
    this.openAll(this.model.calls <= MOST_CALLS);
    addPointer(this);
    addKeys(this);
    addButtons(this);
  }

  tellCounts() {
    const { model } = this,
      counts = countStates(
        model,
        model.items.slice(0, model.calls).map(({ id }) => id),
      ),
      files = model.items.length - model.calls;
    const functions = model.groups.filter((group) => !group.isFile).length;
    const parts = [plural(model.calls, "call"), plural(functions, "function"), plural(files, "file")];
    if (counts[STALE]) parts.push(number(counts[STALE]) + " stale");
    if (counts[MISSING]) parts.push(number(counts[MISSING]) + " missing");
    if (counts[UNKNOWN]) parts.push(number(counts[UNKNOWN]) + " unknown");
    if (DATA.unchecked) parts.push(DATA.unchecked);
    byId("counts").textContent = parts.join(" · ");
    byId("empty").hidden = model.calls > 0;
    if (DATA.asked) return;
    byId("freshword").textContent = "call";
    for (const entry of document.querySelectorAll(".asked")) entry.hidden = true;
  }

  // -- what is open

  openAll(calls) {
    const few = this.model.items.length - this.model.calls <= MOST_FILES;
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
    this.scene = buildScene(this.model, this.open, this.withFiles, this.painter.ruler.measure);
    this.camera.frameAll(this.scene.bounds);
    const groups = this.model.groups.filter((group) => !group.isFile && group.items.length > 1),
      open = groups.filter((group) => this.open.has(group.id));
    byId("bycall").setAttribute("aria-pressed", String(open.length === groups.length));
    byId("byfunction").setAttribute("aria-pressed", String(open.length === 0 && groups.length > 0));
    this.highlight();
  }

  // -- what is chosen

  choose(id, bring) {
    const { group } = this.model.items[id];
    if (this.model.items[id].path && !this.withFiles) this.showFiles(true);
    if (!this.open.has(group) && this.model.groups[group].items.length > 1) {
      this.open.add(group);
      this.arrange();
    }
    Object.assign(this, { item: id, group: null });
    this.tell();
    const box = itemBox(this.scene, id);
    if (bring && !this.camera.shows(box)) this.camera.centre(box);
    else if (!this.camera.fitted || this.camera.covered()) this.camera.reveal(box);
  }

  chooseGroup(group) {
    const { items } = this.model.groups[group];
    if (items.length === 1) return this.choose(items[0], false);
    Object.assign(this, { item: null, group });
    this.tell();
  }

  clear() {
    Object.assign(this, { item: null, group: null });
    this.tell();
    this.canvas.focus({ preventScroll: true });
  }

  tell() {
    const chosen =
      this.item !== null ? this.model.items[this.item] : this.group !== null ? this.model.groups[this.group] : null;
    if (this.item !== null) this.panel.showItem(this.item, this.reachOf);
    else if (this.group !== null) this.panel.showGroup(this.group, this.reachOf);
    else this.panel.hide();
    const words = !chosen
      ? "Nothing chosen"
      : this.item !== null
        ? [chosen.name, chosen.words, WORDS[chosen.state]].filter(Boolean).join(", ")
        : chosen.name + ", " + plural(chosen.items.length, chosen.isFile ? "file" : "call");
    byId("said").textContent = words;
    this.resized();
    if (this.camera.fitted && !this.camera.covered()) this.camera.fitAll(true); // the panel takes room, or gives it back
    this.highlight();
  }

  setReach(which) {
    this.reachOf = which;
    for (const element of byId("panel").querySelectorAll("[data-reach]"))
      element.setAttribute("aria-pressed", String(Number(element.dataset.reach) === which));
    this.highlight();
  }

  highlight() {
    const starts = this.item !== null ? [this.item] : this.group !== null ? this.model.groups[this.group].items : [];
    const marks = starts.length ? closure(this.model, starts, this.reachOf) : null;
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
  }

  // -- drawing

  resized() {
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === this.painter.width && clientHeight === this.painter.height) return;
    this.painter.resize();
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
