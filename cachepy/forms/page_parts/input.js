// Mouse, touch, keys and buttons; then the start.

function addPointer(page) {
  const { canvas, camera } = page,
    held = new Map();
  let moved = 0,
    over = null,
    last = -1e9;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const at = ([x, y]) => whatIsAt(page.scene, camera.x + x / camera.k, camera.y + y / camera.k);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
    if (held.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event),
      before = held.get(event.pointerId);
    if (!before) {
      over = at(now);
      canvas.classList.toggle("over", Boolean(over));
      canvas.title = over ? titleOf(page, over) : "";
      return;
    }
    held.set(event.pointerId, now);
    moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
    if (moved > 4) canvas.classList.add("held");
    if (held.size === 1) {
      if (moved > 4) camera.pan(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const [id, other] = [...held].find(([key]) => key !== event.pointerId);
    const far = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    if (id !== undefined) camera.zoom(far(now) / far(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  const release = (event) => {
    const was = held.delete(event.pointerId);
    if (held.size) return;
    canvas.classList.remove("held");
    if (!was || moved > 4 || event.type !== "pointerup") return;
    const hit = at(place(event));
    const again = event.timeStamp - last < 350 && page.group !== null; // what is under it may have moved meanwhile
    last = again || (hit && hit.button) ? -1e9 : event.timeStamp;
    if (again) page.toggle(page.group);
    else click(page, hit);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode ? 20 : 1;
      camera.zoom(
        Math.exp(Math.max(-60, Math.min(60, -event.deltaY * unit)) * (event.ctrlKey ? 0.012 : 0.004)),
        ...place(event),
      );
    },
    { passive: false },
  );
}

function titleOf(page, { unit, item }) {
  const { name, words, path, state } =
    item === null ? { name: unit.text || unit.lines[0].text } : page.model.items[item];
  const why = state && item !== null ? reasonInShort(page.model.items[item]) : "";
  return [path || name, words, why].filter(Boolean).join("\n").slice(0, 600);
}

function click(page, hit) {
  if (!hit) page.clear();
  else if (hit.button) page.toggle(hit.unit.group);
  else if (hit.item === null) page.chooseGroup(hit.unit.group);
  else page.choose(hit.item, false);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function addKeys(page) {
  const { camera } = page,
    keys = {
      "+": () => camera.zoom(1.3),
      "=": () => camera.zoom(1.3),
      "-": () => camera.zoom(1 / 1.3),
      _: () => camera.zoom(1 / 1.3),
      0: () => camera.fitAll(true),
      u: () => page.setReach(1),
      d: () => page.setReach(2),
      b: () => page.setReach(3),
      Escape: () => page.clear(),
      "/": () => {
        page.search.queryBox.focus();
        page.search.queryBox.select();
      },
    };
  document.addEventListener("keydown", (event) => {
    const { target, key } = event,
      free = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (!free || target instanceof HTMLInputElement) return;
    const onCanvas = target === page.canvas || target === document.body,
      step = ARROWS[key];
    if (keys[key]) keys[key]();
    else if (onCanvas && step) walk(page, step);
    else if (onCanvas && key === "Enter") enter(page);
    else return;
    event.preventDefault();
  });
}

function enter(page) {
  const group = page.group !== null ? page.group : page.item !== null ? page.model.items[page.item].group : null;
  if (group === null) walk(page, [1, 0], true);
  else if (page.model.groups[group].items.length > 1) page.toggle(group);
}

function boxesOf(page) {
  // everything that can be chosen, with its box
  return page.scene.units.flatMap((unit) =>
    unit.kind === "frame"
      ? unit.items.map((id) => ({ id, box: itemBox(page.scene, id) }))
      : [{ id: unit.kind === "card" ? unit.items[0] : null, group: unit.group, box: unit }],
  );
}

function walk(page, [dx, dy], start = false) {
  // to the next box that way; without a choice, the drawing moves
  const { scene, camera } = page;
  const here =
    page.item !== null
      ? itemBox(scene, page.item)
      : page.group !== null
        ? scene.units.find((unit) => unit.group === page.group && unit.kind !== "card")
        : null;
  if (!here && !start) return camera.pan(-dx * 80, -dy * 80);
  const from = here
    ? [here.x + here.w / 2, here.y + here.h / 2]
    : [scene.bounds.x - 1, (scene.bounds.y + scene.bounds.bottom) / 2];
  const near = new Set();
  if (page.item !== null && dx)
    for (const i of page.model[dx > 0 ? "right" : "left"][page.item]) near.add(page.model.edges[i][dx > 0 ? "b" : "a"]);
  let best = null,
    least = Infinity;
  for (const each of boxesOf(page)) {
    const x = each.box.x + each.box.w / 2 - from[0],
      y = each.box.y + each.box.h / 2 - from[1],
      ahead = x * dx + y * dy;
    const cost = ahead + 2.5 * Math.abs(x * dy + y * dx) - (near.has(each.id) ? 1e7 : 0);
    if (ahead > 4 && cost < least) {
      best = each;
      least = cost;
    }
  }
  if (!best) return undefined;
  if (best.id === null) page.chooseGroup(best.group);
  else page.choose(best.id, false);
  if (!camera.shows(best.box)) camera.centre(best.box);
  return undefined;
}

function addButtons(page) {
  const { camera } = page,
    theme = byId("theme"),
    root = document.documentElement,
    dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = (isDark) => {
    root.dataset.theme = isDark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(isDark));
    page.painter.colours = readColours();
    page.repaint();
  };
  let asked = false;
  theme.addEventListener("click", () => {
    asked = true;
    dress(root.dataset.theme !== "dark");
  });
  dark.addEventListener("change", () => asked || dress(dark.matches));
  dress(dark.matches);
  const press = (id, action) => byId(id).addEventListener("click", action);
  press("zoomin", () => camera.zoom(1.3));
  press("zoomout", () => camera.zoom(1 / 1.3));
  press("fit", () => camera.fitAll(true));
  press("bycall", () => page.openAll(true));
  press("byfunction", () => page.openAll(false));
  press("files", () => {
    page.showFiles(!page.withFiles);
    camera.fitAll(true);
  });
  new ResizeObserver(() => page.resized()).observe(page.canvas);
}

const page = new Page();
page.paintNow();
window.cachepy = Object.freeze({
  // for tests, and for whoever opens the console
  page,
  spotOf(id) {
    // the middle of an item or "group:<id>" in the window, in pixels
    const box =
      typeof id === "number"
        ? itemBox(page.scene, id)
        : page.scene.units.find((unit) => unit.group === Number(id.split(":")[1]));
    const area = page.canvas.getBoundingClientRect(),
      { x, y, k } = page.camera;
    return [area.left + (box.x + box.w / 2 - x) * k, area.top + (box.y + box.h / 2 - y) * k];
  },
});
