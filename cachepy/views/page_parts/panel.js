// The details of what is chosen. Every text goes into a text node: nothing of the graph is ever read as HTML.

const MOST_ROWS = 100;

function tag(name, look, ...inside) {
  const element = document.createElement(name);
  if (look) element.className = look;
  element.append(...inside.filter((each) => each !== null && each !== undefined));
  return element;
}

function button(text, look, click) {
  const element = tag("button", look, text);
  element.type = "button";
  element.addEventListener("click", click);
  return element;
}

function stateKey(state) {
  return tag("i", "key " + KINDS[state], SIGNS[state]);
}

// What there is to do comes first.
const urgency = (state) => [MISSING, STALE, AFTER, CHANGED, UNKNOWN, 0, FILE].indexOf(state);

class Panel {
  constructor(element, model, actions) {
    Object.assign(this, { element, model, actions }); // actions: choose, chooseCause, keepCause, showCauses, toggle, close, reach, isOpen
  }

  hide() {
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  show(title, sub, ...parts) {
    const close = button("×", "close", () => this.actions.close());
    close.setAttribute("aria-label", "Close details");
    this.element.replaceChildren(
      tag("div", "top", tag("h2", "", title), close),
      ...(sub ? [tag("p", "sub", sub)] : []),
      ...parts.flat().filter(Boolean),
    );
    this.element.hidden = false;
    this.element.scrollTop = 0;
  }

  showItem(id, reach) {
    const item = this.model.items[id];
    if (item.path) this.showFile(item, reach);
    else this.showCall(item, reach);
  }

  showCall(item, reach) {
    const { call } = item,
      module = this.model.groups[item.group].detail;
    this.show(
      item.name,
      module,
      this.chip(item.state),
      this.reach(item.id, reach),
      this.reasons(call),
      this.arguments(item),
      this.files(call),
      this.sources(call),
      call.accepted ? this.section("Accepted", tag("ul", "", tag("li", "", call.accepted))) : [],
      this.times(call),
      this.links("Calls", this.ends(item.id, "right", CALLS)),
      this.links("Called by", this.ends(item.id, "left", CALLS)),
      this.links("Result goes to", this.ends(item.id, "left", FLOWS)),
      this.stored(call),
      this.groupButton(item.group),
    );
  }

  showFile(item, reach) {
    const readers = this.ends(item.id, "left", READS),
      digests = new Map();
    for (const { id } of readers) {
      const digest = this.model.items[id].call.files.find(([f]) => f === item.id - this.model.calls)[1];
      digests.set(digest, (digests.get(digest) || 0) + 1);
    }
    const rows = [...digests].map(([digest, n]) =>
      tag(
        "li",
        "",
        tag("span", "mono", digest || "was not there"),
        digests.size > 1 ? tag("div", "mute", "in " + plural(n, "call")) : null,
      ),
    );
    const causes = this.model.causes.filter(({ files }) => files.includes(item.id));
    this.show(
      item.name,
      item.path,
      this.chip(item.state),
      this.reach(item.id, reach),
      item.news ? this.section("Why", tag("ul", "why", tag("li", "", item.news))) : [],
      causes.length ? this.section("Makes stale", tag("ul", "", ...causes.map((cause) => this.causeRow(cause)))) : [],
      this.section(item.news ? "Digest when it was read" : "Digest", tag("ul", "long", ...rows)),
      this.links("Read by", readers),
      this.groupButton(item.group),
    );
  }

  showGroup(group, reach) {
    const { items, isFile } = this.model.groups[group],
      counts = countStates(this.model, items);
    const states = counts.map((n, state) => [n, state]).filter(([n, state]) => n && state !== FILE);
    const rows = states.map(([n, state]) => tag("li", "row", stateKey(state), number(n) + " " + WORDS[state]));
    const elapsed = items.reduce((sum, i) => sum + ((this.model.items[i].call || {}).elapsed || 0), 0);
    const { name, detail } = this.model.groups[group];
    this.show(
      name + (isFile ? "/" : ""),
      detail,
      isFile ? this.chip(counts[CHANGED] ? CHANGED : FILE) : null,
      this.groupButton(group),
      this.reach(null, reach),
      isFile ? null : this.section(plural(items.length, "call"), tag("ul", "", ...(DATA.asked ? rows : []))),
      isFile
        ? null
        : this.section(
            "Time",
            tag("div", "", seconds(elapsed) + " in all, " + seconds(elapsed / items.length) + " each"),
          ),
      this.links(
        isFile ? "Files" : "Each of them",
        [...items].sort((a, b) => urgency(this.model.items[a].state) - urgency(this.model.items[b].state) || a - b).map((id) => ({ id })),
        false,
      ),
    );
  }

  chip(state) {
    return isKnown(state) ? tag("span", "chip", stateKey(state), WORDS[state]) : null;
  }

  section(name, content) {
    return content ? [tag("h3", "", name), content] : [];
  }

  reach(id, now) {
    const choices = [
      [1, "Upstream", "What it depends on (u)"],
      [2, "Downstream", "What depends on it (d)"],
      [3, "Both", "Both (b)"],
    ];
    const buttons = choices.map(([which, text, title]) => {
      const element = button(text, "", () => this.actions.reach(which));
      element.title = title;
      element.dataset.reach = which;
      element.setAttribute("aria-pressed", String(which === now));
      return element;
    });
    const group = tag("div", "segments", ...buttons);
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "Highlight");
    return group;
  }

  reasons(call) {
    const rows = call.reasons.map((i) => {
      const [text, diff] = DATA.reasons[i];
      return tag("li", "", text, diff ? this.diff(diff) : null);
    });
    if (call.causes > rows.length)
      rows.push(tag("li", "mute", "and " + plural(call.causes - rows.length, "other reason")));
    return rows.length ? this.section("Why", tag("ul", "why", ...rows)) : [];
  }

  diff(text) {
    const lines = text
      .split("\n")
      .map((line) => tag("span", line[0] === "+" ? "plus" : line[0] === "-" ? "minus" : "", line + "\n"));
    return tag("pre", "", ...lines);
  }

  arguments(item) {
    const given = this.model.right[item.id].map((i) => this.model.edges[i]).filter(({ kind }) => kind === FLOWS);
    const told = new Set(),
      rows = item.call.args.flatMap(([name, text]) => {
        const from = given
          .filter(({ names }) => names === name)
          .map((edge) => told.add(edge) && tag("div", "", "result of ", this.link(edge.b)));
        return [tag("dt", "", name), tag("dd", "", tag("span", "mono", text), ...from)];
      });
    for (const edge of given)
      if (!told.has(edge)) rows.push(tag("dt", "", edge.names), tag("dd", "", "result of ", this.link(edge.b)));
    return rows.length ? this.section("Arguments", tag("dl", "", ...rows)) : [];
  }

  sources(call) {
    const rows = call.sources.map((source) => tag("li", "", DATA.sources[source]));
    return rows.length ? this.section("Cannot be compared", tag("ul", "", ...rows)) : [];
  }

  files(call) {
    const rows = call.files.slice(0, MOST_ROWS).map(([file, digest]) =>
      tag(
        "li",
        "",
        button(DATA.files[file], "link", () => this.actions.choose(this.model.calls + file)),
        tag("div", "mono mute", digest || "was not there"),
      ),
    );
    if (call.files.length > MOST_ROWS)
      rows.push(tag("li", "mute", "and " + plural(call.files.length - MOST_ROWS, "more file")));
    return rows.length ? this.section(plural(call.files.length, "file"), tag("ul", "", ...rows)) : [];
  }

  times(call) {
    const when = call.created === null ? "not known" : new Date(call.created * 1000).toLocaleString();
    return this.section(
      "Time",
      tag(
        "dl",
        "",
        tag("dt", "", "ran"),
        tag("dd", "", when),
        tag("dt", "", "took"),
        tag("dd", "", seconds(call.elapsed)),
      ),
    );
  }

  stored(call) {
    const where = call.outfile ? DATA.folders[call.outfile[0]] + "/" + call.outfile[1] : "nowhere";
    return this.section(
      "Stored",
      tag(
        "dl",
        "",
        tag("dt", "", "key"),
        tag("dd", "mono", call.hash),
        tag("dt", "", "value"),
        tag("dd", "mono", where),
      ),
    );
  }

  ends(id, side, kind) {
    const found = this.model[side][id].map((i) => this.model.edges[i]).filter((edge) => edge.kind === kind);
    return found.map((edge) => ({ id: side === "right" ? edge.b : edge.a, names: edge.names }));
  }

  link(id) {
    return button(titleOf(this.model.items[id]), "link", () => this.actions.choose(id));
  }

  links(name, ends, counted = true) {
    const rows = ends
      .slice(0, MOST_ROWS)
      .map(({ id, names }) =>
        tag(
          "li",
          "row",
          stateKey(this.model.items[id].state),
          this.link(id),
          names ? tag("span", "mute", "as " + names) : null,
        ),
      );
    if (ends.length > MOST_ROWS)
      rows.push(tag("li", "mute", "and " + number(ends.length - MOST_ROWS) + " more: search finds them"));
    return rows.length
      ? this.section(name + (counted && ends.length > 1 ? " " + number(ends.length) : ""), tag("ul", "", ...rows))
      : [];
  }

  groupButton(group) {
    const { items, name, isFile } = this.model.groups[group];
    if (items.length < 2) return null;
    const text = this.actions.isOpen(group)
      ? "Show as one box"
      : "Show " + plural(items.length, isFile ? "file" : "call") + " one by one";
    const element = button(text, "wide", () => this.actions.toggle(group));
    element.title = name;
    return element;
  }
}
