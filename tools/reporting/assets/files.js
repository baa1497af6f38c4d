// The table of all files: chosen by codec and file, sorted by any column.

const FEW = 100;

function addFiles(card, data, state) {
  const [LINE, FILE] = ["line", "file"].map((name) => data.columns.findIndex((column) => column.name === name));
  const view = { line: "", file: "", column: FILE, down: false, all: false };
  const table = make("table", { class: "files" });
  const more = make("button", { type: "button", class: "more", onclick: () => { view.all = true; show(); } });
  const files = [...new Set(data.rows.map((row) => row[FILE]))].sort();
  const lines = [...data.lines.entries()].filter(([, line]) => line.speed);
  const choose = (key) => (value) => { view[key] = value; view.all = false; show(); };
  card.append(
    make("div", { class: "controls" },
      chooser("Codec", [["", "all"], ...lines.map(([place, line]) => [place, line.label])], "", choose("line")),
      chooser("File", [["", "all"], ...files.map((file) => [file, file])], "", choose("file"))),
    make("div", { class: "wide tall", tabindex: 0, role: "region", "aria-label": "Results by file" }, table), more);

  function compare(a, b) {
    const [x, y] = [a, b].map((row) => (view.column === LINE ? data.lines[row[LINE]].label : row[view.column]));
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
    return view.down ? -order : order;
  }

  function heading(column, place) {
    const sorted = place === view.column;
    return make("th", { scope: "col", "aria-sort": sorted ? (view.down ? "descending" : "ascending") : null },
      make("button", {
        type: "button",
        onclick: () => {
          Object.assign(view, { column: place, down: sorted && !view.down });
          show();
          table.querySelectorAll("th button")[place].focus();
        },
      }, column.label));
  }

  function cell(value, place) {
    const { name } = data.columns[place];
    if (name === "line") return make("td", { class: "name" }, data.lines[value].label);
    if (name === "error") return make("td", { class: "error" }, value);
    if (name === "file" || name === "quality") return make("td", { class: "name" }, value);
    return make("td", { class: "number" }, cellText(value, name));
  }

  function show() {
    const chosen = data.rows.filter((row) =>
      (view.line === "" || row[LINE] === Number(view.line)) && (!view.file || row[FILE] === view.file));
    chosen.sort(compare);
    const part = view.all ? chosen : chosen.slice(0, FEW);
    table.replaceChildren(
      make("thead", {}, make("tr", {}, ...data.columns.map(heading))),
      make("tbody", {}, ...part.map((row) => make("tr", {}, ...row.map(cell)))));
    more.hidden = part.length === chosen.length;
    more.textContent = `Show all ${chosen.length.toLocaleString("en")} rows`;
  }

  show();
}

function cellText(value, name) {
  return name === "bytes" && value !== null ? value.toLocaleString("en") : aligned(value);
}
