// Colours as the style sheet has them for the theme, and the widths of texts.

const LEAST = 8,
  SMALL = 9,
  OVERLAY = 11.5; // pixels: the least text; names in small boxes, and those over boxes too small
const isDashed = (state) => state === MISSING || state === UNKNOWN,
  isSheet = (state) => state === FILE || state === CHANGED,
  isKnown = (state) => DATA.asked || isSheet(state); // maybe nobody asked how calls are

function readColours() {
  const style = getComputedStyle(document.documentElement),
    get = (name) => style.getPropertyValue("--" + name).trim();
  const look = (fill, kind) => ({
    fill: get(fill),
    edge: get(kind + "-edge"),
    ink: get(kind + "-ink"),
    soft: get(kind + "-soft"),
  });
  return {
    looks: [
      look("navy", "fresh"),
      look("amber", "stale"),
      look("grey", "missing"),
      look("violet", "unknown"),
      look("blue", "file"),
      look("amber", "stale"),
      look("amber", "stale"),
    ],
    ...Object.fromEntries(
      "paper raised ink soft line flow accent frame frame-edge badge badge-ink seam".split(" ").map((n) => [n, get(n)]),
    ),
  };
}

function buildRuler(context, family, scopes) {
  // widths of texts, and texts cut to fit a width; scopes: the lists in which they have to stay apart
  const widths = new Map(),
    cuts = new Map();
  const font = (style, size) => STYLES[style][0] + " " + size + "px " + family;
  const width = (text, style) => {
    // of 100 px letters
    const key = style + text;
    if (!widths.has(key)) {
      context.font = font(style, 100);
      if (widths.size > 40000) widths.clear();
      widths.set(key, context.measureText(text).width);
    }
    return widths.get(key);
  };
  const alone = new Scope([]);
  const fitted = (text, style, size, room, scope = "") => {
    const part = text.slice(0, 400),
      wide = ((width(part, style) * size) / 100) * (text.length / (part.length || 1));
    if (wide <= room) return text;
    const key = style + scope + Math.floor((room / size) * 10) + "|" + text;
    if (!cuts.has(key)) {
      const list = scope ? scopes(scope) : alone;
      let most = Math.min(text.length - 1, Math.ceil((text.length * room) / wide)),
        short = most > 1 ? list.cut(text, most) : "";
      while (most > 1 && (width(short, style) * size) / 100 > room) short = list.cut(text, --most);
      if (cuts.size > 40000) cuts.clear();
      cuts.set(key, most > 1 ? short : "");
    }
    return cuts.get(key);
  };
  // a line: its text is cut, its tail (a count) is not
  const line = ({ text, tail = "", scope }, style, size, room) => {
    const short = fitted(text, style, size, room - (tail ? (width(tail, style) * size) / 100 : 0), scope);
    return short && short + tail;
  };
  const measure = (text, style) => (width(text.slice(0, 400), style) * STYLES[style][1]) / 100;
  return { width, fitted, line, measure, font };
}
