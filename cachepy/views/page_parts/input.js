// Mouse, touch and buttons; then the start.

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
    page.tip.hide();
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
      if (over && event.pointerType !== "touch") page.tip.show(tipOf(page, over), over.unit.group + "|" + over.item, ...now);
      else page.tip.hide();
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
  const second = (event) => {
    // of a double click, after the first one opened the panel under the pointer
    if (event.detail < 2 || event.timeStamp - last > 350 || page.group === null) return;
    last = -1e9;
    event.stopPropagation();
    page.toggle(page.group);
  };
  byId("panel").addEventListener("click", second, true);
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => page.tip.hide());
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      page.tip.hide();
      const unit = event.deltaMode ? 20 : 1;
      if (camera.narrow && !event.ctrlKey) return camera.pan(0, -event.deltaY * unit);
      camera.zoom(
        Math.exp(Math.max(-60, Math.min(60, -event.deltaY * unit)) * (event.ctrlKey ? 0.012 : 0.004)),
        ...place(event),
      );
      return undefined;
    },
    { passive: false },
  );
}

function click(page, hit) {
  if (!hit) page.clear();
  else if (hit.button) page.toggle(hit.unit.group);
  else if (hit.item === null) page.chooseGroup(hit.unit.group);
  else page.choose(hit.item, false);
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
  const one = (calls) => {
    if (page.table.isShown) page.showTable(false);
    page.openAll(calls);
  };
  press("bycall", () => one(true));
  press("byfunction", () => one(false));
  press("astable", () => page.showTable(!page.table.isShown));
  press("top", () => page.showTop());
  byId("top").hidden = !page.model.tops.length;
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
