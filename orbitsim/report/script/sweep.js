// ---- sweep: lines over an axis in small panels, and the winner over two axes ------------------------------------
const ALL = "*";
const NONE = "-";
const NEAR = 0.01; // of the best value: what is nearer decides nothing

function sweepTools(key, figure, roles) {
  const extra = figure.extra;
  const bar = control(key);
  const discrete = extra.axes.filter((axis) => !axis.continuous);
  const select = (name, label, options, value) => {
    const id = `${key}-${name}`;
    const made = choice(bar, id, label);
    made.dataset.choice = name;
    made.replaceChildren(...options.map(([word, text]) => element("option", { value: word, textContent: text })));
    if (value !== undefined) made.value = value;
    return made;
  };
  const chosen = { quantity: select("quantity", "Show", extra.quantities.map((q) => [q.key, q.words])) };
  roles.forEach(([role, label, optional, first]) => {
    const able = role === "panels" ? discrete.filter((axis) => axis.values.length <= 12) : extra.axes;
    const options = able.map((axis) => [axis.name, axis.name]);
    if (optional) options.unshift([NONE, "none"]);
    chosen[role] = select(role, label, options, options.some(([name]) => name === first) ? first : options[0]?.[0]);
  });
  const filters = document.createElement("span");
  filters.className = "controls filters";
  const wanted = new Map();
  const axisOf = (name) => extra.axes.find((axis) => axis.name === name);
  // Every other axis with few values is held at one of them, or at all.
  function fillFilters(show) {
    filters.replaceChildren();
    const used = new Set(roles.map(([role]) => chosen[role].value));
    for (const axis of discrete) {
      if (used.has(axis.name) || axis.values.length < 2) continue;
      const id = `${key}-at-${extra.axes.indexOf(axis)}`;
      const made = choice(filters, id, axis.name);
      const options = axis.values.map((value, i) => [String(i), valueText(value)]);
      if (extra.allowAll) options.push([ALL, "all"]);
      made.replaceChildren(...options.map(([word, text]) => element("option", { value: word, textContent: text })));
      if (wanted.has(axis.name) && options.some(([word]) => word === wanted.get(axis.name))) made.value = wanted.get(axis.name);
      made.dataset.axis = axis.name;
      made.addEventListener("change", () => { wanted.set(axis.name, made.value); show(); });
    }
  }
  function rows() {
    const held = [...filters.querySelectorAll("select")].filter((one) => one.value !== ALL).map((one) => [axisOf(one.dataset.axis), Number(one.value)]);
    const found = [];
    for (let i = 0; i < extra.scheme.length; i += 1) if (held.every(([axis, at]) => axis.at[i] === at)) found.push(i);
    return found;
  }
  function wire(show) {
    for (const role of Object.keys(chosen)) chosen[role].addEventListener("change", () => { fillFilters(show); show(); });
    bar.after(filters);
    fillFilters(show);
    refresh.set(key, show);
    show();
  }
  return { extra, chosen, rows, wire, axisOf, select, quantity: () => extra.quantities.find((q) => q.key === chosen.quantity.value) };
}

function valueText(value) {
  if (typeof value !== "number") return String(value);
  for (const [factor, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"]]) if (Math.abs(value) >= factor) return `${format(value / factor)} ${prefix}`;
  return format(value, 6);
}
const axisType = (axis) => (axis.numeric ? (axis.log ? "log" : "linear") : "category");
const isLarge = (axis) => axis.values.some((value) => Math.abs(value) >= 1e4);
const axisLayout = (axis) => ({
  title: { text: esc(axis.label) }, type: axisType(axis),
  ...(axis.numeric ? (axis.log ? { exponentformat: "SI", dtick: 1 } : { tickangle: 0, nticks: 5, ...(isLarge(axis) ? { tickformat: "~s" } : {}) }) : { categoryorder: "array", categoryarray: axis.values.map(esc) }),
});
const placed = (axis, row) => (axis.numeric ? axis.values[axis.at[row]] : esc(axis.values[axis.at[row]]));

function sweepLines(key, figure) {
  const first = figure.extra.first;
  const tools = sweepTools(key, figure, [["x", "over", false, first.x], ["panels", "panels", true, first.panels]]);
  const { extra, chosen } = tools;
  const scale = tools.select("scale", "Scale", [["linear", "linear"], ["log", "logarithmic"]]);
  const show = () => {
    const quantity = tools.quantity();
    const x = tools.axisOf(chosen.x.value);
    const panelAxis = chosen.panels.value === chosen.x.value ? undefined : tools.axisOf(chosen.panels.value);
    const found = tools.rows();
    const groups = panelAxis ? panelAxis.values.map((value, i) => [`${panelAxis.name} = ${valueText(value)}`, found.filter((row) => panelAxis.at[row] === i)]) : [["", found]];
    const width = widthOf(key);
    const columns = Math.max(1, Math.min(groups.length, width < 560 ? 1 : width < 900 ? 2 : 3));
    const lines = Math.ceil(groups.length / columns);
    const height = 110 + lines * (groups.length > 1 ? 230 : 330);
    const [gapX, gapY] = [0.055, lines > 1 ? 64 / (height - 110) : 0];
    const [boxX, boxY] = [(1 - gapX * (columns - 1)) / columns, (1 - gapY * (lines - 1)) / lines];
    const traces = [];
    const layout = { height, annotations: [], margin: { t: 56 }, legend: { y: 1 + 26 / (height - 110) } };
    const table_rows = [];
    groups.forEach(([title, rows], g) => {
      const [column, line] = [g % columns, Math.floor(g / columns)];
      const suffix = g ? String(g + 1) : "";
      const [left, top] = [column * (boxX + gapX), 1 - line * (boxY + gapY)];
      const last = g + columns >= groups.length;
      const own = axisLayout(x);
      layout[`xaxis${suffix}`] = { ...own, title: { text: last ? own.title.text : "" }, domain: [left, left + boxX], anchor: `y${suffix}`, ...(g ? { matches: "x" } : {}) };
      layout[`yaxis${suffix}`] = { title: { text: column ? "" : esc(quantity.label) }, type: scale.value, domain: [Math.max(0, top - boxY), top], anchor: `x${suffix}`, ...(scale.value === "log" ? {} : { rangemode: "tozero" }), ...(g ? { matches: "y" } : {}) };
      if (title) layout.annotations.push({ text: esc(title), x: left, y: top, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 12, color: "@muted" } });
      extra.schemes.forEach((scheme, s) => {
        const members = rows.filter((row) => extra.scheme[row] === s && extra.data[quantity.key][row] !== null);
        if (x.numeric) members.sort((a, b) => x.values[x.at[a]] - x.values[x.at[b]]);
        else members.sort((a, b) => x.at[a] - x.at[b]);
        const once = new Set(members.map((row) => x.at[row])).size === members.length && !extra.scattered;
        const style = extra.styles[s];
        traces.push({
          type: "scatter", mode: once ? "lines+markers" : "markers", name: esc(scheme), legendgroup: String(s), showlegend: g === 0,
          x: members.map((row) => placed(x, row)), y: members.map((row) => extra.data[quantity.key][row]), xaxis: `x${suffix}`, yaxis: `y${suffix}`,
          customdata: members.map((row) => `${esc(scheme)}, cell ${extra.cell[row]}<br>${extra.axes.map((axis) => `${esc(axis.name)} = ${esc(valueText(axis.values[axis.at[row]]))}`).join("<br>")}<br>${esc(quantity.words)}: ${format(extra.data[quantity.key][row])} ${quantity.unit}`),
          hovertemplate: "%{customdata}<extra></extra>",
          line: { color: `@${style.color}`, dash: style.dash, width: 2 }, marker: { color: `@${style.color}`, symbol: style.symbol, size: 7 },
        });
        members.forEach((row) => table_rows.push([`${scheme}${title ? `, ${title}` : ""}`, valueText(x.values[x.at[row]]), format(extra.data[quantity.key][row], 6)]));
      });
    });
    draw(key, traces, layout);
    live(key, quantity.words, ["scheme", x.label, quantity.label], table_rows);
  };
  scale.addEventListener("change", show);
  tools.wire(show);
}

function live(key, caption, columns, rows) {
  const most = 400;
  const target = document.querySelector(`[data-table="${key}"]`);
  target.replaceChildren(table(caption, columns, rows.slice(0, most)));
  if (rows.length > most) target.appendChild(element("p", { className: "rest", textContent: `${rows.length - most} more rows are in results.parquet.` }));
}

function sweepWinner(key, figure) {
  const first = figure.extra.first;
  const tools = sweepTools(key, figure, [["x", "over", false, first.x], ["y", "and", false, first.y]]);
  const { extra, chosen } = tools;
  const show = () => {
    const quantity = tools.quantity();
    const [x, y] = [tools.axisOf(chosen.x.value), tools.axisOf(chosen.y.value)];
    const values = extra.data[quantity.key];
    const cells = new Map();
    for (const row of tools.rows()) {
      if (values[row] === null) continue;
      if (!cells.has(extra.cell[row])) cells.set(extra.cell[row], []);
      cells.get(extra.cell[row]).push(row);
    }
    const sign = quantity.best === "min" ? 1 : -1;
    const points = [...cells.values()].map((rows) => {
      rows.sort((a, b) => sign * (values[a] - values[b]) || extra.scheme[a] - extra.scheme[b]);
      const best = rows[0];
      const isNear = (row) => Math.abs(values[row] - values[best]) <= NEAR * Math.abs(values[best]);
      const near = rows.slice(1).filter(isNear);
      const second = rows.find((row) => !isNear(row));
      const ratio = second === undefined ? NaN : sign > 0 ? values[second] / values[best] : values[best] / values[second];
      return { best, second, ratio, near };
    });
    const margin = ({ second, ratio }) => (second === undefined || !Number.isFinite(ratio) ? "" : ratio < 2 ? `${format(100 * (ratio - 1), 2)} %` : `${format(ratio, 3)}x`);
    const names = ({ best, near }) => [best, ...near].sort((a, b) => extra.scheme[a] - extra.scheme[b]).map((row) => extra.schemes[extra.scheme[row]]).join(" ≈ ");
    const hover = (point) => `${extra.axes.map((axis) => `${esc(axis.name)} = ${esc(valueText(axis.values[axis.at[point.best]]))}`).join("<br>")}<br>best: ${esc(names(point))}, ${format(values[point.best])} ${quantity.unit}`
      + (point.second === undefined ? "<br>no other value" : `<br>next: ${esc(extra.schemes[extra.scheme[point.second]])}, ${format(values[point.second])} ${quantity.unit} (${margin(point)})`);
    const legend = extra.schemes.map((scheme, s) => ({
      type: "scatter", mode: "markers", name: esc(scheme), x: [null], y: [null], hoverinfo: "skip",
      marker: { color: `@${extra.styles[s].color}`, symbol: "square", size: 11 },
    }));
    const traces = [];
    const layout = { height: 420, xaxis: axisLayout(x), yaxis: axisLayout(y), annotations: [] };
    if (x.continuous || y.continuous || x === y) {
      extra.schemes.forEach((scheme, s) => {
        const own = points.filter((point) => extra.scheme[point.best] === s);
        traces.push({
          type: "scatter", mode: "markers", name: esc(scheme), x: own.map((point) => placed(x, point.best)), y: own.map((point) => placed(y, point.best)),
          customdata: own.map(hover), hovertemplate: "%{customdata}<extra></extra>", marker: { color: `@${extra.styles[s].color}`, symbol: extra.styles[s].symbol, size: 11 },
        });
      });
    } else {
      // A grid of equal fields, named after the values of both axes; of several cells in a field the first is shown.
      const grid = y.values.map(() => x.values.map(() => null));
      for (const point of points) grid[y.at[point.best]][x.at[point.best]] ??= point;
      const n = extra.schemes.length + 1; // the last colour stands for several schemes
      const colors = [...extra.styles.map((style) => `@${style.color}`), "@muted"];
      const field = (make) => grid.map((line) => line.map((point) => (point ? make(point) : null)));
      traces.push({
        type: "heatmap", x: x.values.map((value) => esc(valueText(value))), y: y.values.map((value) => esc(valueText(value))),
        z: field((point) => (point.near.length ? n - 1 : extra.scheme[point.best])), zmin: -0.5, zmax: n - 0.5, showscale: false, xgap: 2, ygap: 2,
        colorscale: colors.flatMap((color, s) => [[s / n, color], [(s + 1) / n, color]]),
        customdata: field(hover), hovertemplate: "%{customdata}<extra></extra>",
      }, ...legend, {
        type: "scatter", mode: "markers", name: "several within 1 %", x: [null], y: [null], hoverinfo: "skip",
        marker: { color: "@muted", symbol: "square", size: 11 },
      });
      const room = x.values.length <= 6;
      grid.forEach((line, j) => line.forEach((point, i) => {
        if (!point) return;
        const several = 1 + point.near.length;
        const who = several === 1 ? "" : several === 2 && room ? names(point).split(" ≈ ").map(esc).join(" ≈<br>") : room ? `${several} within 1 %` : String(several);
        const text = several === 1 ? margin(point) : several === 2 || !margin(point) || !room ? who : `${who}<br>next ${margin(point)}`;
        layout.annotations.push({ x: i, y: j, text, showarrow: false, font: { color: "@paper", size: x.values.length > 12 ? 10 : 12.5 } });
      }));
      Object.assign(layout.xaxis, { type: "category", showgrid: false });
      Object.assign(layout.yaxis, { type: "category", showgrid: false });
      for (const one of [layout.xaxis, layout.yaxis]) { delete one.categoryorder; delete one.categoryarray; delete one.dtick; }
      layout.height = 150 + 46 * Math.max(3, y.values.length);
    }
    draw(key, traces, layout);
    live(key, `Best scheme by ${quantity.words}`, ["best scheme", x.label, y.label, quantity.label, "next scheme", "worse by"], points.map((point) => [
      names(point), valueText(x.values[x.at[point.best]]), valueText(y.values[y.at[point.best]]), format(values[point.best]),
      point.second === undefined ? "-" : extra.schemes[extra.scheme[point.second]], margin(point)]));
  };
  tools.wire(show);
}
