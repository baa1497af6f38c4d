// Axes, curves, points and what is said about the point under the pointer.

const EDGE = { left: 58, right: 14, top: 30, bottom: 46 };
const REACH = 48;
let windows = 0;

class Axis {
  constructor(low, high, start, end, logarithmic) {
    Object.assign(this, { low, high, start, end, logarithmic });
    const [a, b] = logarithmic ? [Math.log(low), Math.log(high)] : [low, high];
    this.place = (value) => start + (((logarithmic ? Math.log(value) : value) - a) / (b - a)) * (end - start);
  }

  ticks(count) {
    const [low, high] = [Math.min(this.low, this.high), Math.max(this.low, this.high)];
    if (this.logarithmic) {
      for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]]) {
        const found = [];
        for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade += 1)
          found.push(...steps.map((step) => Number((step * 10 ** decade).toPrecision(6))));
        const inside = found.filter((value) => value >= low && value <= high);
        if (inside.length >= Math.min(4, count)) return inside;
      }
    }
    const rough = (high - low) / count;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 2.5, 5, 10].find((size) => size * unit >= rough * 0.999);
    const found = [];
    for (let number = Math.ceil(low / step - 1e-9); number * step <= high + step * 1e-9; number += 1)
      found.push(Number((number * step).toPrecision(12)));
    return found;
  }
}

// The ends of a scale that holds all values, with some room.
function ends(values, logarithmic, fromZero, factor) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (logarithmic) return [low / factor, high * factor];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 1;
  return [fromZero ? 0 : low - room, high + room];
}

class Plot {
  constructor(holder, describe) {
    this.describe = describe;
    this.tip = make("div", { class: "tip", role: "status", "aria-live": "polite", hidden: true });
    this.canvas = make("div", { class: "canvas" });
    holder.append(this.canvas);
    this.holder = holder;
    this.wish = null;
    new ResizeObserver(() => {
      if (Math.round(this.canvas.clientWidth) !== this.width) this.redraw();
    }).observe(this.canvas);
  }

  // A wish has axes x and y {label, logarithmic, fromZero, turned} and lines
  // {place, style, label, points: [[x, y, more]]}; with `labels` points have names in place of lines.
  show(wish) {
    this.wish = wish;
    this.redraw();
  }

  redraw() {
    const width = Math.round(this.canvas.clientWidth);
    this.width = width;
    if (!this.wish || width < 80) return;
    const [before, told, walking] = [this.last, this.spot, this.walking];
    const focused = this.picture && document.activeElement === this.picture;
    this.spots = [];
    const height = Math.round(Math.max(280, Math.min(this.wish.height || 480, width * 0.7)));
    const lines = this.wish.lines.filter((line) => line.points.length);
    if (!lines.length) {
      this.canvas.replaceChildren(make("p", { class: "quiet" }, this.wish.empty || "Nothing to draw."));
      return;
    }
    const { x, y } = this.wish;
    const [across, up] = this.axes(lines, width, height);
    this.picture = draw("svg", {
      class: "chart", viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0, role: "application",
      "aria-roledescription": "chart",
      "aria-label": `${y.label} by ${x.label}. Arrow keys walk along the points and between the codecs.`,
      onpointermove: (event) => this.hover(event), onpointerleave: () => this.walking || this.leave(),
      onkeydown: (event) => this.walk(event), onblur: () => this.leave(),
    });
    this.picture.append(this.window(across, up), ...grid(across, up, x, y, width));
    this.groups = lines.map((line) => this.drawLine(line, across, up));
    this.picture.append(...this.groups);
    if (this.wish.labels) this.picture.append(...names(this.spots, lines, width));
    this.canvas.replaceChildren(this.picture, this.tip);
    this.leave();
    // Who walked along the points goes on from there, whatever made the chart be drawn again.
    this.last = this.spots.find((spot) => before && spot.line.place === before.line.place && spot.number === before.number);
    if (focused) this.picture.focus({ preventScroll: true });
    if (told && this.last) this.point(this.last);
    this.walking = walking;
  }

  // Axes for all that was measured; published lines may reach beyond them.
  axes(lines, width, height) {
    const { x, y, labels } = this.wish;
    const own = lines.filter((line) => !line.style.published);
    const points = (own.length ? own : lines).flatMap((line) => line.points);
    const room = labels ? 1.7 : 1.12;
    const reach = ends(points.map((p) => p[0]), x.logarithmic, x.fromZero, room);
    const span = ends(points.map((p) => p[1]), false, false, room);
    return [
      new Axis(...reach, EDGE.left, width - EDGE.right, x.logarithmic),
      new Axis(...(y.turned ? span.reverse() : span), height - EDGE.bottom, EDGE.top, false),
    ];
  }

  window(across, up) {
    windows += 1;
    this.clip = `clip${windows}`;
    return draw("clipPath", { id: this.clip }, draw("rect", {
      x: across.start, y: up.end, width: across.end - across.start, height: up.start - up.end,
    }));
  }

  drawLine(line, across, up) {
    const places = line.points.map(([x, y]) => [across.place(x), up.place(y)]);
    const group = draw("g", { class: "line", "data-place": line.place });
    if (!this.wish.labels) {
      const path = stroke(line.style, `M${places.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join("L")}`);
      path.setAttribute("clip-path", `url(#${this.clip})`);
      group.append(path);
    }
    places.forEach(([x, y], number) => {
      if (x < across.start || x > across.end || y < up.end || y > up.start) return;
      group.append(marker(line.style, x, y));
      this.spots.push({ x, y, line, number });
    });
    return group;
  }

  // A browser tells of a pointer that rests, too, whenever something below it changes or scrolls: that must not undo the
  // keyboard's choice.
  hover(event) {
    const rests = this.rest && this.rest[0] === event.clientX && this.rest[1] === event.clientY;
    if (this.walking && rests) return;
    this.rest = [event.clientX, event.clientY];
    this.walking = false;
    const box = this.picture.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [null, REACH];
    for (const spot of this.spots) {
      const distance = Math.hypot(spot.x - x, spot.y - y);
      if (distance < least) [best, least] = [spot, distance];
    }
    if (best) this.point(best);
    else this.leave();
  }

  walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const jump = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.key === "Escape") this.leave();
    if (!step && !jump) return;
    event.preventDefault();
    this.walking = true;
    this.spot = this.spot || this.last;
    if (!this.spot) {
      this.point(this.spots[0]);
      return;
    }
    const own = this.spots.filter((spot) => spot.line === this.spot.line);
    if (step) this.point(own[Math.max(0, Math.min(own.length - 1, own.indexOf(this.spot) + step))]);
    else {
      const lines = [...new Set(this.spots.map((spot) => spot.line))];
      const line = lines[(lines.indexOf(this.spot.line) + jump + lines.length) % lines.length];
      const others = this.spots.filter((spot) => spot.line === line);
      this.point(others.reduce((a, b) => (Math.abs(a.x - this.spot.x) <= Math.abs(b.x - this.spot.x) ? a : b)));
    }
  }

  point(spot) {
    this.spot = this.last = spot;
    this.emphasise(spot.line.place);
    this.ring?.remove();
    this.ring = draw("circle", { class: "ring", cx: spot.x, cy: spot.y, r: 9 });
    this.picture.append(this.ring);
    this.tip.replaceChildren(...this.describe(spot.line, spot.line.points[spot.number]));
    this.tip.hidden = false;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const left = spot.x + 14 + this.tip.offsetWidth > width ? spot.x - 14 - this.tip.offsetWidth : spot.x + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${Math.max(0, Math.min(spot.y - 20, height - this.tip.offsetHeight))}px`;
  }

  leave() {
    this.spot = null;
    this.walking = false;
    this.ring?.remove();
    this.tip.hidden = true;
    this.emphasise(null);
  }

  emphasise(place) {
    for (const group of this.groups || [])
      group.classList.toggle("faint", place !== null && Number(group.dataset.place) !== place);
  }
}

function grid(across, up, x, y, width) {
  const parts = [];
  for (const value of across.ticks(width / 95)) {
    const place = across.place(value).toFixed(1);
    parts.push(draw("line", { class: "grid", x1: place, x2: place, y1: up.end, y2: up.start }),
      draw("text", { x: place, y: up.start + 18, "text-anchor": "middle" }, shown(value)));
  }
  for (const value of up.ticks(6)) {
    const place = up.place(value).toFixed(1);
    parts.push(draw("line", { class: "grid", x1: across.start, x2: across.end, y1: place, y2: place }),
      draw("text", { x: across.start - 8, y: place, dy: 4, "text-anchor": "end" }, shown(value)));
  }
  parts.push(draw("line", { class: "axis", x1: across.start, x2: across.end, y1: up.start, y2: up.start }),
    draw("text", { class: "name", x: across.end, y: up.start + 37, "text-anchor": "end" }, x.label),
    draw("text", { class: "name", x: 4, y: 15 }, y.label));
  return parts;
}

// Names beside single points, where there is room for them.
function names(spots, lines, width) {
  const taken = spots.map((spot) => [spot.x - 6, spot.y - 6, spot.x + 6, spot.y + 6]);
  const parts = [];
  for (const spot of spots) {
    const size = spot.line.label.length * 6.4 + 4;
    const [near, far] = [11, -11 - size];
    const options = [
      [near, 4, "start", near], [-near, 4, "end", far], [0, -near, "middle", -size / 2], [0, 20, "middle", -size / 2],
      [5, -near, "start", 5], [5, 20, "start", 5], [-5, -near, "end", -5 - size], [-5, 20, "end", -5 - size],
    ];
    for (const [dx, dy, anchor, left] of options) {
      const box = [spot.x + left, spot.y + dy - 11, spot.x + left + size, spot.y + dy + 3];
      if (box[0] < EDGE.left || box[2] > width) continue;
      const meets = (o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1];
      if (taken.some(meets)) continue;
      taken.push(box);
      parts.push(draw("text", { x: spot.x + dx, y: spot.y + dy, "text-anchor": anchor }, spot.line.label));
      break;
    }
  }
  return parts;
}
