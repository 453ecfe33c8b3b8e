"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;
  const state = new Map(); // figure key -> what is drawn now
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

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

  function themed(layout, figure, width) {
    const axis = {
      gridcolor: "@grid", linecolor: "@axis", zerolinecolor: "@grid", tickcolor: "@axis", ticks: "outside", ticklen: 4,
      showline: true, title: { standoff: 8, font: { size: 13, color: "@muted" } }, automargin: true,
    };
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", height: figure.height,
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "@ink" },
      margin: { l: 64, r: 18, t: 34, b: 48 }, hovermode: "closest", dragmode: "zoom",
      hoverlabel: { bgcolor: "@paper", bordercolor: "@axis", font: { size: 13, color: "@ink" }, align: "left", namelength: 40 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12.5 }, itemsizing: "constant" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@ink" },
    };
    const out = merged(base, layout);
    for (const name of Object.keys(out)) {
      if (/^[xy]axis\d*$/.test(name)) out[name] = merged(axis, out[name]);
    }
    if (width < 520) {
      out.margin = { ...out.margin, l: Math.min(out.margin.l, 50), r: 8 };
      out.font = { ...out.font, size: 11 };
    }
    return resolved(out, "");
  }

  const config = {
    responsive: true, displaylogo: false, doubleClick: "reset", topojsonURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toggleSpikelines"],
    toImageButtonOptions: { format: "svg" },
  };

  function draw(key, data, layout) {
    const target = document.querySelector(`[data-plot="${key}"]`);
    const figure = report.figures[key];
    state.set(key, { data, layout });
    const full = themed(layout, figure, target.clientWidth);
    if (printing) full.width = Math.min(target.clientWidth || 680, 690);
    target.style.minHeight = `${full.height}px`;
    Plotly.react(target, resolved(data, ""), full, { ...config, toImageButtonOptions: { format: "svg", filename: key } });
  }
  const redraw = () => { for (const [key, now] of state) draw(key, now.data, now.layout); };

  const esc = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/%\{/g, "%\u200b{");
  const control = (key) => document.querySelector(`[data-controls="${key}"]`);
  const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const format = (value, digits = 4) => {
    if (value === null || !Number.isFinite(value)) return "-";
    return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(digits)));
  };
  const clock = (seconds) => {
    const whole = Math.floor(seconds + 0.5);
    const pad = (n) => String(n).padStart(2, "0");
    return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
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

  // ---- plain figures: a view for each setting of the choices --------------------------------------------------
  function plain(key, figure) {
    const selects = [...(control(key)?.querySelectorAll("select") ?? [])];
    const show = () => {
      const view = figure.views[selects.map((select) => select.value).join("|")];
      if (view) draw(key, view.data, view.layout);
    };
    selects.forEach((select) => select.addEventListener("change", show));
    show();
  }

  // ---- pipeline of a task -----------------------------------------------------------------------------------
  function unpacked(text, Type) {
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
    return new Type(bytes.buffer);
  }
  const opened = new Map();
  function blob(extra, index) {
    if (!opened.has(index)) {
      const packed = extra.blobs[index];
      const first = packed.batch;
      opened.set(index, {
        begin: unpacked(packed.begin, Float64Array),
        length: unpacked(packed.length, Float32Array),
        batch: typeof first === "number" ? Int32Array.from({ length: packed.n }, (_, i) => first + i) : unpacked(first, Int32Array),
      });
    }
    return opened.get(index);
  }

  function gantt(key, figure) {
    const extra = figure.extra;
    const bar = control(key);
    const scheme = bar.querySelector("select");
    const label = bar.appendChild(element("label", { textContent: "Task", htmlFor: `${key}-task` }));
    const task = bar.appendChild(element("select", { id: `${key}-task` }));
    label.after(task);
    const zooms = [["whole", "Whole task"], ["compute", "Computing"], ["downlink", "Downlink"]].map(([name, text]) => {
      const button = bar.appendChild(element("button", { type: "button", textContent: text }));
      button.addEventListener("click", () => { zoom = name; show(); });
      return [name, button];
    });
    let zoom = "whole";
    const tasks = () => extra.schemes[scheme.value] ?? [];
    const fill = () => {
      task.replaceChildren(...tasks().map((item) => element("option", { value: String(item.task), textContent: item.label })));
      const first = extra.first[scheme.value];
      if (first !== null && first !== undefined) task.value = String(first);
    };
    const show = () => {
      const item = tasks().find((one) => String(one.task) === task.value);
      const lines = item ? item.lines : [];
      const traces = new Map();
      const rows = [];
      const spans = { whole: [0, 0], compute: [Infinity, -Infinity], downlink: [Infinity, -Infinity] };
      for (const [place, service, index] of lines) {
        const bars = blob(extra, index);
        if (!traces.has(service)) {
          traces.set(service, {
            type: "bar", orientation: "h", name: service === "isl" ? "sending, crosslink" : service === "downlink" ? "sending, downlink" : "computing",
            base: [], x: [], y: [], customdata: [], hovertemplate: "%{customdata}<extra></extra>",
            marker: { color: `@${extra.services[service] ?? "grey"}`, opacity: [], line: { width: 0 } },
          });
        }
        const trace = traces.get(service);
        let busy = 0;
        let last = 0;
        for (let i = 0; i < bars.begin.length; i += 1) {
          const [begin, length, batch] = [bars.begin[i], bars.length[i], bars.batch[i]];
          trace.base.push(begin);
          trace.x.push(length);
          trace.y.push(esc(place));
          const what = batch < 0 ? `${-batch} mini-batches` : `mini-batch ${batch}`;
          trace.customdata.push(`${esc(place)}, ${service}: ${what}<br>${format(begin, 6)} s to ${format(begin + length, 6)} s (${format(length)} s)`);
          trace.marker.opacity.push(batch < 0 || batch % 2 === 0 ? 1 : 0.62);
          busy += length;
          last = Math.max(last, begin + length);
        }
        const first = bars.begin[0];
        spans.whole[1] = Math.max(spans.whole[1], last);
        if (spans[service]) spans[service] = [Math.min(spans[service][0], first), Math.max(spans[service][1], last)];
        rows.push([`${place}, ${service}`, format(bars.begin.length), format(busy), format(first, 6), format(last, 6)]);
      }
      if (!(spans[zoom][1] > spans[zoom][0])) zoom = "whole";
      for (const [name, button] of zooms) {
        button.disabled = !(spans[name][1] > spans[name][0]);
        button.setAttribute("aria-pressed", String(name === zoom));
      }
      const [from, to] = spans[zoom];
      const room = 0.015 * (to - from || 1);
      const places = [...new Set(lines.map(([place]) => esc(place)))];
      const order = ["compute", "isl", "downlink"];
      const made = [...traces].sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0])).map(([, trace]) => trace);
      draw(key, made, {
        xaxis: { title: { text: "time since the start of the task [s]" }, range: [from - room, to + room] },
        yaxis: { type: "category", categoryorder: "array", categoryarray: places, range: [Math.max(places.length, 1) - 0.5, -0.5], showgrid: false, fixedrange: true },
        barmode: "overlay", bargap: 0.22, height: Math.max(220, 130 + 26 * places.length),
        annotations: lines.length ? [] : [{ text: "no mini-batch of this task went anywhere by the end of the scenario", x: 0.5, y: 0.5, xref: "paper", yref: "paper", showarrow: false, font: { color: "@muted" } }],
      });
      const live = document.querySelector(`[data-table="${key}"]`);
      live.replaceChildren(table(item ? `${scheme.value}, ${item.label}` : "No task", ["place and service", "bars", "in service [s]", "first start [s]", "last end [s]"], rows));
    };
    scheme.addEventListener("change", () => { fill(); show(); });
    task.addEventListener("change", show);
    fill();
    show();
  }

  // ---- map --------------------------------------------------------------------------------------------------
  function map(key, figure) {
    const extra = figure.extra;
    const bar = control(key);
    bar.appendChild(element("label", { textContent: "Time", htmlFor: `${key}-time` }));
    const slider = bar.appendChild(element("input", { type: "range", id: `${key}-time`, min: 0, max: extra.frames.length - 1, step: 1, value: 0 }));
    const output = bar.appendChild(element("output", { htmlFor: `${key}-time` }));
    const next = bar.appendChild(element("button", { type: "button", textContent: "Next contact" }));
    const view = figure.views[""];
    const show = () => {
      const frame = Number(slider.value);
      const seen = new Set(extra.contacts[frame]);
      const data = view.data.slice();
      const groups = [[], [], []];
      extra.names.forEach((_, i) => { groups[i === extra.sensor ? 2 : seen.has(i) ? 1 : 0].push(i); });
      groups.forEach((members, g) => {
        data[extra.first + g] = {
          ...view.data[extra.first + g],
          x: members.map((i) => extra.lon[frame][i]), y: members.map((i) => extra.lat[frame][i]),
          customdata: members.map((i) => `${esc(extra.names[i])}${seen.has(i) ? ", in contact with a station" : ""}<br>${format(extra.lat[frame][i])} deg N, ${format(extra.lon[frame][i])} deg E`),
        };
      });
      const words = seen.size ? `${seen.size} in contact` : "no contact";
      output.textContent = `${extra.frames[frame]} h, ${words}`;
      slider.setAttribute("aria-valuetext", output.textContent);
      const target = document.querySelector(`[data-plot="${key}"]`);
      const width = printing ? 690 : target.clientWidth;
      draw(key, data, { ...view.layout, height: Math.max(260, Math.min(640, Math.round(width * 0.52) + 60)) });
    };
    slider.addEventListener("input", show);
    next.addEventListener("click", () => {
      const n = extra.frames.length;
      for (let step = 1; step <= n; step += 1) {
        const frame = (Number(slider.value) + step) % n;
        if (extra.contacts[frame].length) { slider.value = String(frame); break; }
      }
      show();
    });
    next.disabled = !extra.contacts.some((frame) => frame.length);
    show();
  }

  // ---- start ------------------------------------------------------------------------------------------------
  const kinds = { plain, gantt, map };
  const button = document.getElementById("theme");
  const named = () => { button.textContent = isDark() ? "Light theme" : "Dark theme"; };
  const chosen = remembered();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    named();
    redraw();
  });
  system.addEventListener("change", () => { named(); redraw(); });
  window.addEventListener("beforeprint", () => { printing = true; redraw(); });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });
  named();
  // One figure after another, with a breath between them: the page can be read and used meanwhile.
  const waiting = Object.entries(report.figures);
  function drawNext() {
    const entry = waiting.shift();
    if (!entry) {
      root.dataset.drawn = "true";
      return;
    }
    const [key, figure] = entry;
    try {
      kinds[figure.kind](key, figure);
    } catch (error) {
      document.querySelector(`[data-plot="${key}"]`).replaceChildren(element("p", { className: "failed", textContent: `This figure cannot be drawn: ${error.message}` }));
      console.error(error);
    }
    setTimeout(drawNext, 0);
  }
  setTimeout(drawNext, 0);
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) watcher.observe(section);
  }
})();
