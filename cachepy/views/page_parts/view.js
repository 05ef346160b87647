// The camera: which part of the drawing the canvas shows, and how it moves there.

const MOST_ZOOM = 3,
  SIDE = 36;

class Camera {
  constructor(painter, changed) {
    Object.assign(this, { painter, changed, x: 0, y: 0, k: 1, least: 0.01, moving: 0 });
  }

  get now() {
    return { x: this.x, y: this.y, k: this.k };
  }

  set(view) {
    Object.assign(this, view);
    this.changed();
  }

  stop() {
    this.fitted = false;
    cancelAnimationFrame(this.moving);
  }

  pan(dx, dy) {
    // in pixels; the drawing never leaves the window altogether
    this.stop();
    this.set(this.held({ x: this.x - dx / this.k, y: this.y - dy / this.k, k: this.k }));
  }

  held(view) {
    const { bounds } = this,
      { width, height } = this.painter,
      keep = 60 / view.k,
      all = this.narrow && (bounds.right - bounds.x) * view.k <= width + 1;
    const clamp = (value, low, high) => Math.max(low, Math.min(high, value));
    return {
      k: view.k,
      x: all
        ? (bounds.x + bounds.right) / 2 - width / 2 / view.k // nothing to see at the sides
        : clamp(view.x, bounds.x - width / view.k + keep, bounds.right - keep),
      y: clamp(view.y, bounds.y - height / view.k + keep, bounds.bottom - keep),
    };
  }

  zoom(factor, x = this.painter.width / 2, y = this.painter.height / 2) {
    // the point under x, y stays there
    this.stop();
    const k = Math.max(this.least, Math.min(MOST_ZOOM, this.k * factor));
    this.set(this.held({ k, x: this.x + x / this.k - x / k, y: this.y + y / this.k - y / k }));
  }

  get width() {
    // what the panel leaves of the canvas
    return this.painter.width - this.covered()[0];
  }

  get height() {
    return this.painter.height - this.covered()[1];
  }

  fitting(bounds, most = 1.15) {
    // the view that shows all of it, above the legend
    const {
        width,
        painter: { height },
      } = this,
      w = bounds.right - bounds.x,
      h = bounds.bottom - bounds.y,
      foot = this.foot();
    if (this.narrow) {
      // as wide as the window, from the top on: one goes down
      const wide = Math.min(1, width / w);
      return { k: wide, x: bounds.x + w / 2 - width / 2 / wide, y: bounds.y - 12 / wide };
    }
    const k = Math.min(most, Math.max(20, width - 2 * SIDE) / w, Math.max(20, height - SIDE - foot) / h);
    return { k, x: bounds.x + w / 2 - width / 2 / k, y: bounds.y + h / 2 - (SIDE + (height - SIDE - foot) / 2) / k };
  }

  // Show all of it, and go on doing so until somebody moves it.
  fitAll(soft) {
    const goal = this.fitting(this.bounds);
    this.stop();
    if (soft) this.glide(goal);
    else this.set(goal);
    this.fitted = true;
  }

  frameAll(bounds) {
    this.bounds = bounds;
    this.least = Math.min(0.5, this.fitting(bounds).k * 0.6);
  }

  centre(box, least = 0.8) {
    // bring a box into the window, readable
    const k = this.narrow ? this.k : Math.max(this.k, least),
      { width, height } = this;
    this.glide(this.held({ k, x: box.x + box.w / 2 - width / 2 / k, y: box.y + box.h / 2 - height / 2 / k }));
  }

  shows(box) {
    const [dx, dy] = this.outside(box);
    return !dx && !dy && this.k >= 0.5;
  }

  outside(box) {
    // how far it would have to move into the window, in pixels
    const push = (from, to, low, high) => (from < low ? low - from : to > high ? Math.max(low - from, high - to) : 0);
    const x = (box.x - this.x) * this.k,
      y = (box.y - this.y) * this.k;
    return [
      push(x, x + box.w * this.k, 14, this.width - 14),
      push(y, y + box.h * this.k, 14, this.height - 14),
    ];
  }

  reveal(box) {
    // the panel may have come to stand over it
    const [dx, dy] = this.outside(box);
    if (dx || dy) this.glide({ k: this.k, x: this.x - dx / this.k, y: this.y - dy / this.k });
  }

  glide(goal) {
    this.stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return this.set(goal);
    const from = this.now,
      began = performance.now();
    const step = (time) => {
      const t = Math.max(0, Math.min(1, (time - began) / 220)),
        s = 1 - (1 - t) ** 3,
        k = from.k * (goal.k / from.k) ** s;
      this.set({ k, x: from.x + (goal.x - from.x) * s, y: from.y + (goal.y - from.y) * s });
      if (t < 1) this.moving = requestAnimationFrame(step);
    };
    this.moving = requestAnimationFrame(step);
  }
}
