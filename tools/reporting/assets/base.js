// Elements, numbers and colours: what all parts of the page use.

const SPACE = "http://www.w3.org/2000/svg";
const RESULTS = JSON.parse(document.getElementById("results").textContent);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SPACE, tag), attributes, children);
}

function shown(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const whole = size >= 10 ** digits;
  const text = whole ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(digits)));
  return text.replace("-", "−");
}

// Four digits, with zeros at the end: numbers below each other compare better so.
function aligned(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en").replace("-", "−");
  return size < 1e-4 ? shown(value) : value.toPrecision(4).replace("-", "−");
}

function signed(value, digits = 1) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
}

function titled(metric) {
  return metric.unit ? `${metric.label} (${metric.unit})` : metric.label;
}

function medium(name) {
  return document.getElementById(name).textContent;
}

function marker(style, x, y) {
  return draw("path", {
    class: `marker k${style.colour}${style.published ? " published" : ""}`,
    d: RESULTS.markers[style.marker],
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
  });
}

function stroke(style, path) {
  return draw("path", {
    class: `curve k${style.colour}${style.published ? " published" : ""}`,
    "stroke-dasharray": style.dash || null,
    d: path,
  });
}

function swatch(style) {
  const picture = draw("svg", { viewBox: "0 0 30 14", width: 30, height: 14, "aria-hidden": "true" });
  picture.append(stroke(style, "M1,7H29"), marker(style, 15, 7));
  return picture;
}

// A select with its label; `options` are [value, text].
function chooser(label, options, value, change) {
  const box = make("select", { onchange: () => change(box.value) });
  offer(box, options, value);
  return make("label", { class: "control" }, make("span", {}, label), box);
}

function offer(box, options, value) {
  box.replaceChildren(...options.map(([key, text]) => make("option", { value: key }, text)));
  box.value = String(value);
}

// Buttons of which one is pressed.
function segments(label, options, value, change) {
  const buttons = options.map(([key, text]) =>
    make("button", {
      type: "button", "data-value": key, "aria-pressed": String(key === value), onclick: () => press(key),
    }, text));
  function press(key) {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === key));
    change(key);
  }
  return make("div", { class: "control", role: "group", "aria-label": label },
    make("span", {}, label), make("div", { class: "segments" }, ...buttons));
}

// What the parts of one dataset share; a change is told to all who listen.
class State {
  constructor(values) {
    Object.assign(this, values);
    this.listeners = [];
  }

  listen(listener) {
    this.listeners.push(listener);
    listener();
  }

  set(values) {
    Object.assign(this, values);
    for (const listener of this.listeners) listener();
  }
}
