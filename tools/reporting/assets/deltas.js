// The matrix of Bjontegaard deltas, and speed against them.

function addDeltas(card, data, state) {
  const holder = make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Matrix of deltas" });
  const sentence = make("p", { class: "quiet" });
  if (!data.deltas) {
    card.append(make("p", {},
      "Deltas need SciPy, the extra “report”, which was missing where this page was made."));
    return;
  }
  const differences = [["rate", "Rate (BD-rate)"], ["quality", "Quality (BD-quality)"]];
  const methods = [["pchip", "PCHIP"], ["akima", "Akima"]];
  card.append(
    make("div", { class: "controls" },
      segments("Difference in", differences, state.delta, (delta) => state.set({ delta })),
      segments("Interpolation", methods, state.method, (method) => state.set({ method }))),
    sentence, holder);
  state.listen(() => {
    const metric = metricOf(data, state);
    const unit = state.delta === "rate" ? "%" : metric.unit;
    const better = metric.higher ? "positive" : "negative";
    const told = state.delta === "rate"
      ? `Change of rate in % at equal ${metric.label}, row against column: negative is fewer bits.`
      : `Change of ${titled(metric)} at equal rate, row against column: ${better} is better.`;
    sentence.textContent = `${told} Below it the overlap of the two curves.`;
    holder.replaceChildren(matrix(data, state, unit));
  });
}

function matrix(data, state, unit) {
  const cells = data.deltas[state.rate][state.metric][state.method][state.delta];
  const chosen = [...data.lines.keys()].filter((place) =>
    curveOf(data.lines[place], state).points.length && !state.hidden.has(place));
  const values = chosen.flatMap((row) => chosen.map((column) => cells[row][column])).filter(Array.isArray);
  const largest = Math.max(...values.map(([value]) => Math.abs(value)), 1e-9);
  const better = state.delta === "rate" || !metricOf(data, state).higher ? -1 : 1;
  const table = make("table", { class: "matrix" });
  const head = make("tr", {}, make("th", { scope: "col" }, "against"));
  for (const place of chosen)
    head.append(make("th", { scope: "col" }, make("span", {}, lineName(data.lines[place], data, state))));
  table.append(make("thead", {}, head));
  const body = make("tbody");
  for (const row of chosen) {
    const name = make("th", { scope: "row" }, swatch(data.lines[row].style), lineName(data.lines[row], data, state));
    const line = make("tr", {}, name);
    for (const column of chosen) line.append(matrixCell(cells[row][column], data, unit, better, largest));
    body.append(line);
  }
  table.append(body);
  return table;
}

function matrixCell(cell, data, unit, better, largest) {
  if (cell === null) return make("td", { class: "same" });
  if (!Array.isArray(cell)) return make("td", { class: "refused", title: data.reasons[cell] }, "–");
  const [value, overlap] = cell;
  const full = unit === "%" ? Math.min(largest, 60) : largest;
  const strength = Math.min(1, Math.sqrt(Math.abs(value) / full)) * 46;
  const td = make("td", {
    class: value * better > 0 ? "gain" : "loss",
    title: `${signed(value, 2)} ${unit}, overlap ${(100 * overlap).toFixed(0)} %`.replace("  ", " "),
  }, make("b", {}, signed(value, unit === "%" ? 1 : 2)), make("small", {}, `${(100 * overlap).toFixed(0)} %`));
  td.style.setProperty("--strength", `${strength.toFixed(0)}%`);
  return td;
}

// The codec against which most others can be judged; of equals a classical one.
function usualAnchor(data, state) {
  const cells = data.deltas?.[state.rate]?.[state.metric]?.[state.method]?.rate;
  if (!cells) return 0;
  const counts = data.lines.map((line, column) =>
    line.speed ? cells.filter((row) => Array.isArray(row[column])).length + (line.classical ? 0.5 : 0) : -1);
  return counts.indexOf(Math.max(...counts));
}

function addSpeed(card, data, state) {
  const sounds = data.kind === "audio";
  const deltas = () => state.judge === "deltas";
  const sides = ["encode", "decode"].map((way) => ({ way, box: make("div", { class: "plot" }) }));
  const left = make("p", { class: "quiet" });
  const anchors = make("select", { onchange: () => state.set({ anchor: Number(anchors.value) }) });
  const rate = make("input", {
    type: "number", step: "any", min: 0, onchange: () => state.set({ at: Number(rate.value) || state.at }),
  });
  const against = make("label", { class: "control" }, make("span", {}, "Against"), anchors);
  const at = make("label", { class: "control" }, make("span", {}, "At"), rate);
  const judged = [["deltas", "BD-rate"], ["value", "Metric at a rate"]];
  card.append(
    make("div", { class: "controls" },
      data.deltas ? segments("Quality as", judged, state.judge, (judge) => state.set({ judge })) : "", against, at),
    make("div", { class: "pair" }, ...sides.map((side) => side.box)), left);
  for (const side of sides)
    side.plot = new Plot(side.box, (line, [x, y]) => [
      make("b", {}, line.label),
      make("span", {}, sounds ? `${shown(x, 3)} × real time` : `${shown(x, 3)} s, median`),
      make("span", {}, deltas() ? `BD-rate ${signed(y)} %` : `${metricOf(data, state).label} ${shown(y)}`),
    ]);
  state.listen(() => {
    against.hidden = !deltas();
    at.hidden = deltas();
    at.firstChild.textContent = `At ${rateLabel(data, state)}`;
    offer(anchors, data.lines.map((line, place) => [place, line.label]), state.anchor);
    rate.value = Number(state.at.toPrecision(3));
    const heights = data.lines.map((line, place) =>
      deltas() ? deltaTo(data, state, place) : valueAt(curveOf(line, state), state.at));
    for (const { way, plot } of sides) plot.show(speedWish(data, state, way, heights));
    const absent = data.lines.filter((line, place) => line.speed && heights[place] === null).map((line) => line.label);
    left.textContent = absent.length ? `Not comparable here: ${absent.join(", ")}.` : "";
  });
}

// What the plot of one way, encode or decode, shows.
function speedWish(data, state, way, heights) {
  const [sounds, deltas, metric] = [data.kind === "audio", state.judge === "deltas", metricOf(data, state)];
  const turned = deltas || !metric.higher;
  const name = deltas ? `BD-rate (%), ${metric.label}, against ${data.lines[state.anchor].label}` : titled(metric);
  return {
    labels: true, height: 380,
    x: { label: `${way}: ${sounds ? "× real time, right is faster" : "seconds, left is faster"}`, logarithmic: true },
    y: { label: `${name}, up is better`, turned },
    lines: [...data.lines.entries()].filter(([place, line]) => line.speed && !state.hidden.has(place))
      .map(([place, line]) => {
        const x = line.speed[sounds ? `${way}_times` : way];
        const points = x > 0 && heights[place] !== null ? [[x, heights[place]]] : [];
        return { place, style: line.style, label: line.label, points };
      }),
    empty: "No codec has both a time and this measure of quality.",
  };
}

function deltaTo(data, state, place) {
  if (place === state.anchor) return 0;
  const cell = data.deltas[state.rate][state.metric][state.method].rate[place][state.anchor];
  return Array.isArray(cell) ? cell[0] : null;
}

// The metric at a rate, between the two nearest points in the logarithm of the rate.
function valueAt(curve, rate) {
  const { points } = curve;
  for (let number = 1; number < points.length; number += 1) {
    const [[, low, a], [, high, b]] = [points[number - 1], points[number]];
    if (rate < low || rate > high) continue;
    return high > low ? a + ((b - a) * Math.log(rate / low)) / Math.log(high / low) : a;
  }
  return null;
}

// The middle of the rates that most curves have.
function middleRate(data, state) {
  const spans = data.lines.map((line) => curveOf(line, state).points).filter((points) => points.length > 1)
    .map((points) => [Math.log(points[0][1]), Math.log(points[points.length - 1][1])]);
  if (!spans.length) return 1;
  const middles = spans.map(([low, high]) => (low + high) / 2).sort((a, b) => a - b);
  return Number(Math.exp(middles[Math.floor(middles.length / 2)]).toPrecision(2));
}
