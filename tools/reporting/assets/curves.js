// Rate and quality of all codecs, with a legend that hides and shows them.

function curveOf(line, state) {
  return line.curves[state.rate]?.[state.metric] || { points: [], exact: [], files: 0 };
}

function rateLabel(data, state) {
  return data.rates.find((rate) => rate.name === state.rate).label;
}

function metricOf(data, state) {
  return data.metrics.find((metric) => metric.name === state.metric);
}

function lineName(line, data, state) {
  const { files } = curveOf(line, state);
  if (line.style.published || !files || files === data.expected) return line.label;
  return `${line.label} (${files} of ${data.expected} files)`;
}

function addCurves(holder, data, state, remarks) {
  const legend = make("ul", { class: "legend", "aria-label": "Codecs; a double click shows one alone" });
  const side = make("div", { class: "plot" });
  const others = make("ul", { class: "legend" });
  const heading = make("summary");
  const published = make("details", { class: "published", open: true }, heading, others);
  holder.replaceChildren(make("div", { class: "split" }, side, make("div", { class: "legends" }, legend, published)));
  const plot = new Plot(side, (line, [x, y, quality]) => {
    const metric = metricOf(data, state);
    return [
      make("b", {}, line.label),
      ...(quality ? [make("span", {}, `quality ${quality}`)] : []),
      make("span", {}, `${shown(x)} ${rateLabel(data, state)}`),
      make("span", {}, `${metric.label} ${shown(y)} ${metric.unit}`.trim()),
    ];
  });
  function entry(line, place) {
    const hidden = state.hidden.has(place);
    return make("li", {}, make("button", {
      type: "button", "data-place": place, "aria-pressed": String(!hidden),
      onclick: () => {
        const next = new Set(state.hidden);
        if (!next.delete(place)) next.add(place);
        state.set({ hidden: next });
        holder.querySelector(`[data-place="${place}"]`)?.focus();
      },
      title: "Click: hide or show. Double click: show alone.",
      ondblclick: () => state.set({ hidden: new Set([...data.lines.keys()].filter((other) => other !== place)) }),
      onpointerenter: () => plot.emphasise(place), onpointerleave: () => plot.emphasise(null),
    }, swatch(line.style), make("span", {}, lineName(line, data, state))));
  }
  state.listen(() => {
    const present = [...data.lines.entries()].filter(([, line]) => curveOf(line, state).points.length);
    const cited = present.filter(([, line]) => line.style.published);
    legend.replaceChildren(...present.filter((one) => !cited.includes(one)).map(([place, line]) => entry(line, place)));
    others.replaceChildren(...cited.map(([place, line]) => entry(line, place)));
    published.hidden = !cited.length;
    const drawn = cited.filter(([place]) => !state.hidden.has(place)).length;
    heading.textContent = `Published by others (${drawn} of ${cited.length})`;
    plot.show({
      x: { label: rateLabel(data, state), logarithmic: state.logarithmic, fromZero: true },
      y: { label: titled(metricOf(data, state)) + (metricOf(data, state).higher ? "" : ", lower is better") },
      lines: present.filter(([place]) => !state.hidden.has(place)).map(([place, line]) => ({
        place, style: line.style, label: line.label,
        points: curveOf(line, state).points.map(([quality, rate, value]) => [rate, value, quality]),
      })),
      empty: present.length ? "All curves are hidden." : "No codec has a curve for this metric.",
    });
    remarks.textContent = exactCopies(data, state);
  });
}

// Points at the top of the scale are told, not drawn.
function exactCopies(data, state) {
  const found = data.lines.flatMap((line) => curveOf(line, state).exact.map(([quality, rate]) =>
    `${line.label}${quality ? ` at quality ${quality}` : ""} (${shown(rate)} ${rateLabel(data, state)})`));
  return found.length ? `At the highest value of the metric, and therefore not drawn: ${found.join(", ")}.` : "";
}
