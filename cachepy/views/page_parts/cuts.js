// Texts cut to a number of letters, so that those of one list stay apart: what they share at an end is cut away there,
// and the middle goes only where both ends differ. A text that could be taken for another one is not shown at all.

const whole = (text) => text.replace(/[\uD800-\uDBFF](?=…|$)|(?<=…|^)[\uDC00-\uDFFF]/g, ""); // half a pair is no letter

const CUTS = {
  middle: (text, most) => text.slice(0, Math.ceil(most / 2)) + "…" + text.slice(text.length - Math.floor(most / 2)),
  front: (text, most) => "…" + text.slice(text.length - most),
  back: (text, most) => text.slice(0, most) + "…",
  inner: (text, most, from) =>
    from + most >= text.length ? CUTS.front(text, most) : (from ? "…" : "") + text.slice(from, from + most) + "…",
};

function shared(texts) {
  // how many letters all of them have in common at the beginning and at the end
  const [first, ...rest] = texts;
  let head = first.length,
    tail = first.length;
  for (const text of rest) {
    let i = 0;
    while (i < head && text[i] === first[i]) i++;
    head = i;
    for (i = 0; i < tail && text[text.length - 1 - i] === first[first.length - 1 - i]; ) i++;
    tail = i;
  }
  return [head, tail];
}

class Scope {
  // the texts of one list
  constructor(texts) {
    this.texts = [...new Set(texts)];
    this.tables = new Map();
    const [head, tail] = this.texts.length > 1 ? shared(this.texts) : [0, 0];
    this.from = Math.max(0, head - 1);
    this.ways =
      head > 1
        ? ["front", "inner", "middle", "back"]
        : tail > 1
          ? ["back", "inner", "middle", "front"]
          : ["middle", "front", "back", "inner"];
  }

  cut(text, most) {
    if (!this.tables.has(most)) this.tables.set(most, this.table(most));
    return this.tables.get(most).get(text) ?? whole(CUTS.middle(text, most));
  }

  table(most) {
    // the first way that keeps all apart, or the one that keeps most
    let best = null,
      least = Infinity;
    for (const way of this.ways) {
      const short = this.texts.map((text) =>
        text.length <= most ? text : whole(CUTS[way](text, most, this.from)),
      );
      const often = new Map();
      for (const each of short) often.set(each, (often.get(each) || 0) + 1);
      const lost = short.length - often.size;
      if (lost >= least) continue;
      least = lost;
      best = new Map(this.texts.map((text, i) => [text, often.get(short[i]) > 1 ? "" : short[i]]));
      if (!lost) break;
    }
    return best;
  }
}

function buildScopes(model) {
  // by name: "names" of functions and folders, "files", and the texts of the items of a group
  const made = new Map();
  const texts = (name) => {
    if (name === "names") return model.groups.map((group) => group.name);
    if (name === "files") return model.items.slice(model.calls).map((item) => item.name);
    const [what, group] = name.split(":"),
      items = model.groups[Number(group)].items.map((id) => model.items[id]);
    return items.map(what === "cell" ? cellText : (item) => item.words);
  };
  return (name) => {
    if (!made.has(name)) made.set(name, new Scope(texts(name)));
    return made.get(name);
  };
}
