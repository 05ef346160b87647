// Colours as the style sheet has them for the theme, and the widths of texts.

const LEAST = 8,
  SMALL = 9,
  OVERLAY = 11.5; // pixels: the least text; names in small boxes, and those over boxes too small
const KINDS = ["fresh", "stale", "missing", "unknown", "file"],
  SIGNS = ["", "!", "○", "?", ""];

const isDashed = (state) => state === MISSING || state === UNKNOWN;

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
    ],
    ...Object.fromEntries(
      "paper raised ink soft line flow accent frame frame-edge badge badge-ink".split(" ").map((n) => [n, get(n)]),
    ),
  };
}

function buildRuler(context, family) {
  // widths of texts, and texts cut in the middle to fit a width
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
  const cut = (text, most) => {
    // ends tell names apart; half a surrogate pair is no letter
    const head = text.slice(0, Math.ceil(most / 2)),
      tail = text.slice(text.length - Math.floor(most / 2));
    return (head + "…" + tail).replace(/[\uD800-\uDBFF](?=…)|(?<=…)[\uDC00-\uDFFF]/g, "");
  };
  const fitted = (full, style, size, room) => {
    const text = full.length > 400 ? cut(full, 400) : full,
      wide = (width(text, style) * size) / 100;
    if (wide <= room) return text;
    const key = style + Math.floor((room / size) * 10) + "|" + text;
    if (!cuts.has(key)) {
      let most = Math.max(1, Math.ceil((text.length * room) / wide)),
        short = cut(text, most);
      while (most > 1 && (width(short, style) * size) / 100 > room) short = cut(text, --most);
      if (cuts.size > 40000) cuts.clear();
      cuts.set(key, most > 1 ? short : "");
    }
    return cuts.get(key);
  };
  const measure = (text, style) => (width(text.slice(0, 400), style) * STYLES[style][1]) / 100;
  return { width, fitted, measure, font };
}
