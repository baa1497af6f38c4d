// Two pictures at one place and one scale: split by a line that moves, or side by side.

const LARGEST = 32;

class Stage {
  constructor(holder) {
    this.panes = ["left", "right"].map((side) => ({
      image: make("img", { alt: "", draggable: "false" }),
      tag: make("span", { class: "tag" }),
      side,
    }));
    for (const pane of this.panes)
      pane.box = make("div", { class: `pane ${pane.side}` }, pane.image, pane.tag);
    this.handle = make("div", {
      class: "handle", role: "slider", tabindex: 0, "aria-label": "Dividing line", "aria-orientation": "horizontal",
      "aria-valuemin": 0, "aria-valuemax": 100, onkeydown: (event) => this.slide(event),
    });
    this.box = make("div", {
      class: "stage", tabindex: 0, role: "group",
      "aria-label": "Comparison: arrow keys move the picture, plus and minus zoom, 0 fits it in",
      onkeydown: (event) => this.key(event),
    }, ...this.panes.map((pane) => pane.box), this.handle);
    this.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.scaleText = make("output", { class: "scale" });
    this.buttons = make("div", { class: "control buttons", role: "group", "aria-label": "Zoom" },
      this.button("−", "Zoom out", () => this.zoom(1 / 1.5)), this.button("+", "Zoom in", () => this.zoom(1.5)),
      this.button("Fit", "Fit the picture in", () => this.fit()),
      this.button("1 : 1", "One to one", () => this.zoom(1 / this.scale)), this.scaleText);
    holder.append(this.box);
    this.drags();
    Object.assign(this, { width: 1, height: 1, scale: 1, x: 0, y: 0, split: 50, mode: "split", fitted: true });
    new ResizeObserver(() => this.resize()).observe(holder);
    this.holder = holder;
    this.setSplit(50);
  }

  button(text, label, press) {
    return make("button", { type: "button", "aria-label": label, title: label, onclick: press }, text);
  }

  // A new pair of the same or of another size; sides: [{source, label}, {source, label}].
  show(sides, width, height) {
    sides.forEach(({ source, label }, number) => {
      const { image, tag } = this.panes[number];
      if (image.getAttribute("src") !== source) image.setAttribute("src", source);
      image.alt = label;
      tag.textContent = label;
    });
    const other = width !== this.width || height !== this.height;
    Object.assign(this, { width, height });
    if (other) this.fitted = true;
    this.resize();
  }

  setMode(mode) {
    this.mode = mode;
    this.box.classList.toggle("beside", mode === "beside");
    this.fitted = true;
    this.resize();
  }

  pane() {
    return { width: this.box.clientWidth / (this.mode === "beside" ? 2 : 1), height: this.box.clientHeight };
  }

  resize() {
    const width = this.holder.clientWidth / (this.mode === "beside" ? 2 : 1);
    if (!width) return;
    const height = Math.min(Math.max(320, window.innerHeight * 0.72), (width * this.height) / this.width);
    this.box.style.height = `${Math.max(200, Math.round(height))}px`;
    if (this.fitted) this.fit();
    else this.place();
  }

  smallest() {
    const { width, height } = this.pane();
    return Math.min(width / this.width, height / this.height);
  }

  fit() {
    this.scale = this.smallest();
    this.fitted = true;
    this.place();
  }

  // Zoom about a point of the pane, or about its middle.
  zoom(factor, point = null) {
    const { width, height } = this.pane();
    const [px, py] = point || [width / 2, height / 2];
    const scale = Math.max(Math.min(this.smallest(), 1), Math.min(LARGEST, this.scale * factor));
    this.x = px - ((px - this.x) * scale) / this.scale;
    this.y = py - ((py - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = Math.abs(scale - this.smallest()) < 1e-6;
    this.place();
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.place();
  }

  place() {
    const { width, height } = this.pane();
    const held = (offset, room, size) =>
      size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, offset));
    this.x = held(this.x, width, this.width * this.scale);
    this.y = held(this.y, height, this.height * this.scale);
    for (const { image } of this.panes) {
      image.style.width = `${this.width}px`;
      image.style.height = `${this.height}px`;
      image.style.transform = `translate(${this.x}px,${this.y}px) scale(${this.scale})`;
      image.classList.toggle("pixels", this.scale > 1.01);
    }
    this.box.classList.toggle("zoomed", !this.fitted);
    this.scaleText.textContent = `${Math.round(this.scale * 100)} %`;
  }

  setSplit(percent) {
    this.split = Math.max(0, Math.min(100, percent));
    this.box.style.setProperty("--split", `${this.split}%`);
    this.handle.setAttribute("aria-valuenow", Math.round(this.split));
    this.handle.setAttribute("aria-valuetext", `${Math.round(this.split)} % from the left`);
  }

  slide(event) {
    const step = event.shiftKey ? 10 : 2;
    const target = {
      ArrowLeft: this.split - step, ArrowDown: this.split - step,
      ArrowRight: this.split + step, ArrowUp: this.split + step,
      PageDown: this.split - 20, PageUp: this.split + 20, Home: 0, End: 100,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.setSplit(target);
  }

  key(event) {
    const step = { ArrowLeft: [50, 0], ArrowRight: [-50, 0], ArrowUp: [0, 50], ArrowDown: [0, -50] }[event.key];
    if (step) this.move(...step);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.fit();
    else return;
    event.preventDefault();
  }

  // A wheel zooms; turned outwards at the smallest scale it scrolls the page as everywhere.
  wheel(event) {
    if (event.deltaY > 0 && this.fitted) return;
    event.preventDefault();
    const box = this.box.getBoundingClientRect();
    const { width } = this.pane();
    this.zoom(Math.exp(-event.deltaY / 400), [(event.clientX - box.left) % width, event.clientY - box.top]);
  }

  drags() {
    const follow = (node, moved) => {
      node.addEventListener("pointerdown", (event) => {
        if (event.button) return;
        event.stopPropagation();
        node.setPointerCapture(event.pointerId);
        node.focus({ preventScroll: true });
        let last = event;
        const move = (next) => {
          moved(next, next.clientX - last.clientX, next.clientY - last.clientY);
          last = next;
        };
        const stop = () => {
          node.removeEventListener("pointermove", move);
          node.classList.remove("held");
        };
        node.classList.add("held");
        node.addEventListener("pointermove", move);
        node.addEventListener("lostpointercapture", stop, { once: true });
      });
    };
    follow(this.handle, (event) => {
      const box = this.box.getBoundingClientRect();
      this.setSplit((100 * (event.clientX - box.left)) / box.width);
    });
    follow(this.box, (event, dx, dy) => this.move(dx, dy));
  }
}
