// ---- pipeline of a task -----------------------------------------------------------------------------------
function unpacked(text, Type) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return new Type(bytes.buffer);
}
const LEAST = 1.5; // CSS pixels that every bar takes
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
  const task = choice(bar, `${key}-task`, "Task");
  const zooms = [["whole", "Whole task"], ["compute", "Computing"], ["downlink", "Downlink"]].map(([name, text]) => {
    const button = bar.appendChild(element("button", { type: "button", textContent: text }));
    button.addEventListener("click", () => { zoom = name; show(); });
    return [name, button];
  });
  let zoom = "";
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
          // The outline keeps what is shorter than a pixel in sight, at any zoom.
          marker: { color: `@${extra.services[service] ?? "grey"}`, opacity: [], line: { width: LEAST, color: `@${extra.services[service] ?? "grey"}` } },
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
    const length = (name) => spans[name][1] - spans[name][0];
    if (!zoom) zoom = length("compute") > 0 && length("compute") < 0.5 * length("whole") ? "compute" : "whole";
    if (!(length(zoom) > 0)) zoom = "whole";
    for (const [name, button] of zooms) {
      button.disabled = !(length(name) > 0);
      button.setAttribute("aria-pressed", String(name === zoom));
    }
    const [from, to] = spans[zoom];
    const room = 0.015 * (to - from || 1);
    const places = [...new Set(lines.map(([place]) => esc(place)))];
    const order = ["compute", "isl", "downlink"];
    const made = [...traces].sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0])).map(([, trace]) => trace);
    // What is too thin to point at gets an unseen mark, which says the same.
    const least = (3 * (to - from || 1)) / widthOf(key);
    const marks = made.map((trace) => {
      const thin = trace.x.map((_, i) => i).filter((i) => trace.x[i] < least);
      const of = (values) => thin.map((i) => values[i]);
      return {
        type: "scatter", mode: "markers", name: trace.name, showlegend: false, x: thin.map((i) => trace.base[i] + trace.x[i] / 2), y: of(trace.y),
        customdata: of(trace.customdata), hovertemplate: trace.hovertemplate, marker: { size: 10, opacity: 0, color: trace.marker.color },
      };
    }).filter((trace) => trace.x.length);
    draw(key, [...made, ...marks], {
      xaxis: { title: { text: "time since the start of the task [s]" }, range: [from - room, to + room] },
      yaxis: { type: "category", categoryorder: "array", categoryarray: places, range: [Math.max(places.length, 1) - 0.5, -0.5], showgrid: false, fixedrange: true },
      barmode: "overlay", bargap: 0.22, height: Math.max(220, 130 + 26 * places.length),
      annotations: lines.length ? [] : [{ text: "no mini-batch of this task went anywhere by the end of the scenario", x: 0.5, y: 0.5, xref: "paper", yref: "paper", showarrow: false, font: { color: "@muted" } }],
    });
    const live = document.querySelector(`[data-table="${key}"]`);
    live.replaceChildren(table(item ? `${scheme.value}, ${item.label}` : "No task", ["place and service", "bars", "in service [s]", "first start [s]", "last end [s]"], rows));
  };
  refresh.set(key, show);
  scheme.addEventListener("change", () => { fill(); zoom = ""; show(); });
  task.addEventListener("change", () => { zoom = ""; show(); });
  fill();
  show();
}
