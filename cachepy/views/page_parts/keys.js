// Keys: commands, and arrows that walk from box to box.

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
      t: () => page.showTop(),
      s: () => page.filterReach(),
      c: () => page.toggleCauses(),
      l: () => page.showTable(!page.table.isShown),
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
