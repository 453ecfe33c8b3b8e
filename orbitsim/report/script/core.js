const report = JSON.parse(document.getElementById("report-data").textContent);
const root = document.documentElement;
const refresh = new Map(); // figure key -> draws it again, as it is set now
const system = window.matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const NARROW = 560; // CSS pixels of a figure
const PRINTED = 680;

// ---- theme ------------------------------------------------------------------------------------------------
const remembered = () => { try { return localStorage.getItem("orbitsim-theme"); } catch { return null; } };
const remember = (name) => { try { localStorage.setItem("orbitsim-theme", name); } catch { /* not for files */ } };
const isDark = () => !printing && (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
const color = (name) => {
  const pair = report.colors[name];
  return pair ? pair[isDark() ? 1 : 0] : undefined;
};
const heat = () => report.heat.map((pair, i) => [i / (report.heat.length - 1), pair[isDark() ? 1 : 0]]);

// Colours are names after an "@", under keys of colours alone: no text of a scenario is ever taken for one.
const isColorKey = (key) => /color(s|scale)?$/i.test(key);
function resolved(value, key) {
  if (typeof value === "string") {
    if (!isColorKey(key) || value[0] !== "@") return value;
    return value === "@heat" ? heat() : color(value.slice(1)) ?? value;
  }
  if (Array.isArray(value)) return isColorKey(key) ? value.map((item) => resolved(item, key)) : value.map((item) => typeof item === "object" && item !== null ? resolved(item, "") : item);
  if (value !== null && typeof value === "object") {
    const copy = {};
    for (const [name, item] of Object.entries(value)) copy[name] = resolved(item, name);
    return copy;
  }
  return value;
}

const merged = (base, more) => {
  const out = { ...base };
  for (const [key, value] of Object.entries(more)) {
    const both = value && out[key] && typeof value === "object" && typeof out[key] === "object" && !Array.isArray(value);
    out[key] = both ? merged(out[key], value) : value;
  }
  return out;
};

function themed(layout, figure, width, listed) {
  const axis = {
    gridcolor: "@grid", linecolor: "@axis", zerolinecolor: "@grid", tickcolor: "@axis", ticks: "outside", ticklen: 4,
    showline: true, separatethousands: true, exponentformat: "none", title: { standoff: 8, font: { size: 13, color: "@muted" } }, automargin: true,
  };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: figure.height,
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "@ink" },
    margin: { l: 64, r: 18, t: 34, b: 48 }, hovermode: "closest", dragmode: "zoom",
    hoverlabel: { bgcolor: "@paper", bordercolor: "@axis", font: { size: 13, color: "@ink" }, align: "left", namelength: 40 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12.5 }, itemsizing: "constant" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@ink" },
  };
  if (!listed) base.margin.t = 26;
  const out = merged(base, layout);
  for (const name of Object.keys(out)) {
    if (/^[xy]axis\d*$/.test(name)) out[name] = merged(axis, out[name]);
  }
  if (width < NARROW) {
    out.margin = { ...out.margin, l: Math.min(out.margin.l, 46), r: 8 };
    out.font = { ...out.font, size: 11 };
    for (const name of Object.keys(out)) {
      if (!/^xaxis\d*$/.test(name)) continue;
      out[name] = { ...out[name], tickangle: 0, ...(typeof out[name].dtick === "number" && out[name].type !== "log" ? { dtick: 2 * out[name].dtick } : { nticks: 5 }) };
    }
  }
  return resolved(out, "");
}

const config = {
  responsive: false, displaylogo: false, doubleClick: "reset", topojsonURL: "", plotlyServerURL: "", showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines", "sendChartToCloud", "sendDataToCloud"],
  toImageButtonOptions: { format: "svg" },
};

function draw(key, data, wide, narrow = {}) {
  const target = document.querySelector(`[data-plot="${key}"]`);
  const figure = report.figures[key];
  const width = printing ? PRINTED : target.clientWidth;
  const layout = width < NARROW ? merged(wide, narrow) : wide;
  const listed = layout.showlegend !== false && data.filter((trace) => trace.showlegend !== false && trace.type !== "heatmap").length > 1;
  const full = { ...themed(layout, figure, width, listed), width };
  target.style.minHeight = `${full.height}px`;
  Plotly.react(target, resolved(data, ""), full, { ...config, toImageButtonOptions: { format: "svg", filename: key } });
}
const redraw = () => { for (const show of refresh.values()) show(); };
const widthOf = (key) => (printing ? PRINTED : document.querySelector(`[data-plot="${key}"]`).clientWidth);

const esc = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%\u200b{");
const control = (key) => document.querySelector(`[data-controls="${key}"]`);
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
const format = (value, digits = 4) => {
  if (value === null || !Number.isFinite(value)) return "-";
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(digits)));
};
function table(caption, columns, rows) {
  const box = element("div", { className: "scroll", tabIndex: 0 });
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  const made = box.appendChild(element("table"));
  made.appendChild(element("caption", { textContent: caption }));
  const head = made.appendChild(element("thead")).appendChild(element("tr"));
  columns.forEach((text, i) => {
    head.appendChild(element("th", { scope: "col", textContent: text, className: i ? "num" : "" }));
  });
  const body = made.appendChild(element("tbody"));
  for (const row of rows) {
    const line = body.appendChild(element("tr"));
    row.forEach((text, i) => {
      const cell = line.appendChild(element(i ? "td" : "th", { textContent: text, className: i ? "num" : "" }));
      if (!i) cell.scope = "row";
    });
  }
  return box;
}

function choice(parent, id, label) {
  const pair = parent.appendChild(element("span", { className: "choice" }));
  pair.appendChild(element("label", { textContent: label, htmlFor: id }));
  return pair.appendChild(element("select", { id }));
}

// ---- plain figures: a view for each setting of the choices --------------------------------------------------
function plain(key, figure) {
  const selects = [...(control(key)?.querySelectorAll("select") ?? [])];
  const show = () => {
    const view = figure.views[selects.map((select) => select.value).join("|")];
    if (view) draw(key, view.data, view.layout, view.narrow);
  };
  refresh.set(key, show);
  selects.forEach((select) => select.addEventListener("change", show));
  show();
}
