// Samples of one dataset: what is on the left, what is on the right, and the numbers of both.

const ORIGINAL = "original";

function addSamples(card, data, state) {
  if (!data.samples.length) {
    card.remove();
    return;
  }
  card.hidden = false;
  const view = { sample: data.samples[0], sides: [{ line: ORIGINAL, quality: "" }, { line: "", quality: "" }] };
  view.sides[1].line = String(view.sample.copies[0].series);
  const viewer = { image: addPictures, video: addFilm, audio: addSounds }[data.kind];
  const body = make("div");
  const facts = make("div", { class: "wide" });
  const tools = make("div", { class: "controls" });
  const stage = viewer(body, tools);
  const pickers = view.sides.map((side, number) => addPicker(number ? "Right" : "Left", data, view, side, show));
  const files = chooser("File", data.samples.map((sample, place) => [place, sample.file]), 0, (place) => {
    view.sample = data.samples[place];
    show();
  });
  card.append(make("div", { class: "controls" }, files, ...pickers.map((picker) => picker.box)), tools, body, facts);

  function show() {
    pickers.forEach((picker) => picker.update());
    const parts = view.sides.map((side) => {
      const part = { ...side, media: mediaOf(view.sample, side), label: sideLabel(data, side) };
      return { ...part, short: shortFacts(data, view.sample, part) };
    });
    stage(view.sample, parts);
    facts.replaceChildren(factTable(data, view.sample, parts));
  }

  show();
}

function copiesOf(sample, line) {
  return sample.copies.filter((copy) => String(copy.series) === line);
}

function mediaOf(sample, side) {
  if (side.line === ORIGINAL) return sample.original;
  return copiesOf(sample, side.line).find((copy) => copy.quality === side.quality).media;
}

function sideLabel(data, side) {
  if (side.line === ORIGINAL) return "Original";
  return data.lines[side.line].label + (side.quality ? `, quality ${side.quality}` : "");
}

// The row of the table of files behind one side, by name of the column; null for the original.
function rowOf(data, sample, side) {
  if (side.line === ORIGINAL) return null;
  const place = Object.fromEntries(data.columns.map((column, number) => [column.name, number]));
  const row = data.rows.find((r) =>
    r[place.file] === sample.file && String(r[place.line]) === side.line && r[place.quality] === side.quality);
  return (name) => row[place[name]] ?? null;
}

function shortFacts(data, sample, side) {
  const row = rowOf(data, sample, side);
  if (!row) return side.label;
  const metric = data.metrics.find((m) => m.name === data.metric);
  const value = row(metric.name);
  const rate = data.rates[0];
  const told = [
    side.label, `${row("bytes").toLocaleString("en")} bytes`,
    `${shown(row(rate.name), 3)} ${rate.name === "bpp" ? "bpp" : rate.label}`,
  ];
  if (value !== null) told.push(`${metric.label} ${shown(value)} ${metric.unit}`.trim());
  return told.join(" · ");
}

// Choice of codec and quality for one side; "same size" takes the quality nearest in bytes to the other side.
function addPicker(label, data, view, side, show) {
  const pick = (key, name) => {
    const box = make("select", { "aria-label": `${label}: ${name}` });
    box.addEventListener("change", () => {
      side[key] = box.value;
      show();
    });
    return box;
  };
  const [line, quality] = [pick("line", "codec"), pick("quality", "quality")];
  const match = make("button", {
    type: "button", title: "Take the quality nearest in bytes to the other side", onclick: nearest,
  }, "Same size");
  const box = make("div", { class: "control picker", role: "group", "aria-label": label },
    make("span", {}, label), line, quality, match);

  function bytes(of) {
    return rowOf(data, view.sample, of)("bytes");
  }

  function nearest() {
    const other = view.sides.find((one) => one !== side);
    const distance = (copy) => Math.abs(Math.log(bytes({ line: side.line, quality: copy.quality }) / bytes(other)));
    side.quality = copiesOf(view.sample, side.line).reduce((a, b) => (distance(a) <= distance(b) ? a : b)).quality;
    show();
  }

  function update() {
    const present = [...new Set(view.sample.copies.map((copy) => String(copy.series)))].sort((a, b) => a - b);
    if (side.line !== ORIGINAL && !present.includes(side.line)) side.line = present[0];
    offer(line, [[ORIGINAL, "Original"], ...present.map((place) => [place, data.lines[place].label])], side.line);
    const coded = side.line !== ORIGINAL;
    const size = (copy) => bytes({ line: side.line, quality: copy.quality });
    const copies = coded ? copiesOf(view.sample, side.line).sort((a, b) => size(a) - size(b)) : [];
    if (coded && !copies.some((copy) => copy.quality === side.quality))
      side.quality = copiesOf(view.sample, side.line)[0].quality;
    offer(quality, copies.map((copy) => [copy.quality, `quality ${copy.quality}`]), side.quality);
    quality.hidden = copies.length < 2;
    match.hidden = copies.length < 2 || view.sides.find((one) => one !== side).line === ORIGINAL;
  }

  return { box, update };
}

function factTable(data, sample, sides) {
  const skipped = new Set(["file", "line", "quality", "error"]);
  const rows = sides.map((side) => rowOf(data, sample, side));
  const columns = data.columns.filter((column) =>
    !skipped.has(column.name) && rows.some((row) => row && row(column.name) !== null));
  const text = (row, { name }) => (row ? cellText(row(name), name) : "");
  const head = columns.map((column) => make("th", { scope: "col", class: "number" }, column.label));
  const lines = sides.map((side, place) => make("tr", {}, make("th", { scope: "row" }, side.label),
    ...columns.map((column) => make("td", { class: "number" }, text(rows[place], column)))));
  return make("table", { class: "compared" },
    make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...lines));
}

function modeChooser(stage, mode) {
  stage.setMode(mode);
  const modes = [["split", "Dividing line"], ["beside", "Side by side"]];
  return segments("View", modes, mode, (chosen) => stage.setMode(chosen));
}

const HINT = "Drag the picture to move it, turn the wheel or press + and − to zoom, 0 to see all of it.";

function addPictures(body, tools) {
  const stage = new Stage(body);
  tools.append(modeChooser(stage, "split"), stage.buttons);
  body.append(make("p", { class: "quiet hint" }, HINT));
  return (sample, sides) => {
    const pair = sides.map((side) => ({ source: medium(side.media[0]), label: side.short }));
    stage.show(pair, sample.width, sample.height);
  };
}

function addFilm(body, tools) {
  const stage = new Stage(body);
  let [now, place] = [null, 0];
  const slider = make("input", {
    type: "range", min: 0, step: 1, "aria-label": "Frame", oninput: () => step(Number(slider.value)),
  });
  const told = make("output", {});
  const button = (text, label, by) =>
    make("button", { type: "button", "aria-label": label, title: label, onclick: () => step(place + by) }, text);
  const stepper = make("div", { class: "control stepper", role: "group", "aria-label": "Frames" },
    button("◀", "Previous frame", -1), slider, button("▶", "Next frame", 1), told);
  tools.append(modeChooser(stage, "beside"), stage.buttons);
  body.append(stepper, make("p", { class: "quiet hint" }, HINT));

  function step(next) {
    const [sample, sides] = now;
    place = Math.max(0, Math.min(sample.numbers.length - 1, next));
    slider.max = sample.numbers.length - 1;
    slider.value = place;
    told.textContent = `frame ${sample.numbers[place] + 1} of ${sample.frames}`;
    slider.setAttribute("aria-valuetext", told.textContent);
    const pair = sides.map((side) => ({ source: medium(side.media[place]), label: side.short }));
    stage.show(pair, sample.width, sample.height);
  }

  return (sample, sides) => {
    now = [sample, sides];
    step(place);
  };
}

// Two players with their spectrograms; who starts takes over the place of the other.
function addSounds(body) {
  const players = ["Left", "Right"].map((name) => {
    const player = {
      audio: make("audio", { controls: true, preload: "auto", "aria-label": name }),
      image: make("img", { alt: "" }), needle: make("span", { class: "needle" }), told: make("figcaption"),
      limit: make("span", { class: "limit" }),
    };
    player.picture = make("div", { class: "spectrogram", onclick: (event) => seek(player, event) },
      player.image, player.needle, player.limit);
    player.box = make("figure", {}, player.told, player.picture, player.audio);
    return player;
  });
  body.append(make("div", { class: "pair" }, ...players.map((player) => player.box)),
    make("p", { class: "quiet hint" },
      "Whichever side starts goes on where the other one is. A click on a spectrogram moves there."));

  function seek(player, event) {
    const box = player.picture.getBoundingClientRect();
    const part = (event.clientX - box.left) / box.width;
    if (player.audio.duration) player.audio.currentTime = part * player.audio.duration;
  }

  players.forEach((player, number) => {
    const other = players[1 - number];
    player.audio.addEventListener("play", () => {
      if (other.audio.paused) return;
      player.audio.currentTime = Math.min(other.audio.currentTime, player.audio.duration || 0);
      other.audio.pause();
    });
    player.audio.addEventListener("timeupdate", () => {
      player.needle.style.left = `${(100 * player.audio.currentTime) / (player.audio.duration || 1)}%`;
    });
  });

  return (sample, sides) => sides.forEach((side, number) => {
    const { audio, image, told, limit } = players[number];
    const [sound, picture] = side.media.map(medium);
    if (audio.getAttribute("src") !== sound) {
      audio.setAttribute("src", sound);
      image.setAttribute("src", picture);
    }
    image.alt = `Spectrogram: ${side.label}`;
    told.textContent = side.short;
    limit.textContent = sample.rate ? `${shown(sample.rate / 2000)} kHz` : "";
  });
}
