// The causes, as `cachepy status` lists them: what changed, and what that makes stale.

Object.assign(Panel.prototype, {
  showCauses() {
    const { causes } = this.model,
      rows = causes.map((cause) => this.causeRow(cause));
    if (DATA.causesleft) rows.push(tag("li", "mute", "and " + plural(DATA.causesleft, "more cause")));
    this.show(
      "Causes",
      causes.length ? "What changed, and what that makes stale" : "Nothing changed",
      tag("ul", "", ...rows),
    );
  },

  causeRow(cause) {
    const row = tag("button", "cause", stateKey(cause.state), tag("b", "", cause.text), tag("span", "mute", cause.reach));
    row.type = "button";
    row.addEventListener("click", () => this.actions.chooseCause(cause.id));
    return tag("li", "", row);
  },

  showCause(id, isKept) {
    const cause = this.model.causes[id],
      keep = button("Show only these", "wide", () => this.actions.keepCause(id));
    keep.id = "keepcause";
    keep.setAttribute("aria-pressed", String(isKept));
    this.show(
      cause.text,
      cause.reach,
      this.model.causes.length > 1 ? button("All causes", "link", () => this.actions.showCauses()) : null,
      keep,
      cause.diff ? this.section("Changed lines", this.diff(cause.diff)) : [],
      this.links(
        "File",
        cause.files.map((file) => ({ id: file })),
      ),
      this.links(
        plural(cause.direct.length, "call"),
        cause.direct.map((call) => ({ id: call })),
        false,
      ),
      this.links(
        number(cause.above.length) + " above",
        cause.above.map((call) => ({ id: call })),
        false,
      ),
    );
  },
});
