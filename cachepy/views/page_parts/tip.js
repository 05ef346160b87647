// What the pointer is over, in full: names in boxes may be cut.

class Tip {
  constructor(element, stage) {
    Object.assign(this, { element, stage, over: null });
  }

  show(lines, key, x, y) {
    if (this.over !== key) {
      this.over = key;
      this.element.replaceChildren(...lines.map((line, i) => tag("p", i ? "mute" : "", line.slice(0, 600))));
      this.element.hidden = false;
    }
    const { offsetWidth: w, offsetHeight: h } = this.element,
      { clientWidth, clientHeight } = this.stage;
    this.element.style.left = Math.max(8, Math.min(clientWidth - w - 8, x + 14)) + "px";
    this.element.style.top = (y + 18 + h > clientHeight - 8 ? Math.max(8, y - h - 12) : y + 18) + "px";
  }

  hide() {
    this.over = null;
    this.element.hidden = true;
  }
}

function tipOf(page, { unit, item }) {
  if (item === null) {
    const { name, detail, isFile } = page.model.groups[unit.group],
      counts = told(countStates(page.model, unit.items)).map(([n, word]) => number(n) + " " + word);
    const sum = plural(unit.items.length, isFile ? "file" : "call");
    return [name + (isFile ? "/" : ""), detail, [sum, ...(DATA.asked && !isFile ? counts : [])].join(", ")].filter(Boolean);
  }
  const each = page.model.items[item];
  return [
    each.path || each.name,
    each.call ? each.call.args.map(([name, text]) => name + " = " + text).join(", ") : "",
    [isKnown(each.state) ? WORDS[each.state] : "", whyOf(each)].filter(Boolean).join(": "),
  ].filter(Boolean);
}
