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
    const width = widthOf(key);
    const list = width < NARROW ? 190 : width < 1000 ? 110 : 90; // the legend below, which wraps
    draw(key, data, { ...view.layout, height: Math.min(640, Math.round(width * 0.5)) + list, margin: { ...view.layout.margin, b: list } }, { legend: { y: -48 / (width * 0.5) } });
  };
  refresh.set(key, show);
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
