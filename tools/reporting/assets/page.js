// The datasets of the page: tabs between them, and the parts of each.

function addToolbar(bar, data, state) {
  const rates = data.rates.map((rate) => [rate.name, rate.label]);
  const metrics = data.metrics.map((metric) => [metric.name, titled(metric)]);
  const scales = [["linear", "Linear"], ["logarithmic", "Logarithmic"]];
  bar.append(
    chooser("Metric", metrics, state.metric, (metric) => state.set({ metric })),
    rates.length > 1 ? chooser("Rate", rates, state.rate, (rate) => {
      state.rate = rate;
      state.set({ at: middleRate(data, state) });
    }) : "",
    segments("Rate axis", scales, scales[Number(state.logarithmic)][0],
      (scale) => state.set({ logarithmic: scale === "logarithmic" })));
  bar.hidden = false;
}

function addDataset(section) {
  const data = RESULTS.datasets[section.dataset.place];
  const part = (name) => section.querySelector(`[data-part="${name}"]`);
  const hidden = [...data.lines.keys()].filter((place) => data.lines[place].hidden);
  const state = new State({
    metric: data.metric, rate: data.rates[0].name, logarithmic: data.logarithmic, method: "pchip", delta: "rate",
    judge: data.deltas ? "deltas" : "value", hidden: new Set(hidden),
  });
  state.anchor = usualAnchor(data, state);
  state.at = middleRate(data, state);
  for (const name of ["deltas", "speed", "files"]) part(name).hidden = false;
  addToolbar(part("toolbar"), data, state);
  addCurves(part("curves"), data, state, part("remarks"));
  addDeltas(part("deltas"), data, state);
  addSpeed(part("speed"), data, state);
  addSamples(part("samples"), data, state);
  addFiles(part("files"), data, state);
}

function addTabs(sections) {
  const tabs = [...document.querySelectorAll(".tabs a")];
  if (!tabs.length) return;
  tabs[0].parentElement.setAttribute("role", "tablist");
  function choose(place) {
    tabs.forEach((tab, number) => {
      tab.setAttribute("aria-selected", String(number === place));
      tab.tabIndex = number === place ? 0 : -1;
      sections[number].classList.toggle("away", number !== place);
    });
    for (const audio of document.querySelectorAll("audio")) audio.pause();
  }
  tabs.forEach((tab, place) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", sections[place].id);
    sections[place].setAttribute("role", "tabpanel");
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      choose(place);
    });
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      const next = (place + by + tabs.length) % tabs.length;
      choose(next);
      tabs[next].focus();
    });
  });
  choose(0);
}

const SECTIONS = [...document.querySelectorAll("section.dataset")];
SECTIONS.forEach(addDataset);
addTabs(SECTIONS);
