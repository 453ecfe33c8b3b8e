// ---- start ------------------------------------------------------------------------------------------------
const kinds = { plain, gantt, map, "sweep-lines": sweepLines, "sweep-winner": sweepWinner };
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
let width = window.innerWidth;
let settled = 0;
window.addEventListener("resize", () => {
  clearTimeout(settled);
  settled = setTimeout(() => {
    if (window.innerWidth !== width && !printing) redraw();
    width = window.innerWidth;
  }, 150);
});
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
