// What a page does beyond being read: theme, copying, tables that sort, figures that answer, search.
const $ = (selector, from = document) => [...from.querySelectorAll(selector)];
const make = (name, properties, ...children) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
};

// Theme: the head has set it; the button changes and keeps it.
const button = document.getElementById("theme");
const show = (theme) => {
  document.documentElement.dataset.theme = theme;
  button.setAttribute("aria-pressed", String(theme === "dark"));
};
show(document.documentElement.dataset.theme);
button.onclick = () => {
  show(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  try { localStorage.theme = document.documentElement.dataset.theme; } catch { /* for this page only */ }
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ({ matches }) => {
  let kept;
  try { kept = localStorage.theme; } catch { /* none */ }
  if (!kept) show(matches ? "dark" : "light");
});
let screen_theme;
addEventListener("beforeprint", () => { screen_theme = document.documentElement.dataset.theme; show("light"); });
addEventListener("afterprint", () => show(screen_theme));

// What scrolls sideways within the page can be scrolled with the keyboard.
const reach = () => {
  for (const box of $("pre, .equation, .claims, .drawing, table")) {
    if (box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX === "auto") box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
};
reach();
addEventListener("resize", reach);
document.fonts.ready.then(reach);

// Code can be copied, without the prompts of a shell.
for (const box of $("div.sourceCode")) {
  const copy = make("button", { className: "copy", type: "button", textContent: "copy" });
  copy.onclick = async () => {
    await navigator.clipboard.writeText(box.querySelector("code").textContent.replace(/^\$ /gm, ""));
    copy.textContent = "copied";
    setTimeout(() => { copy.textContent = "copy"; }, 1500);
  };
  box.append(copy);
}

// The ledger sorts by the column whose head is pressed.
for (const table of $(".claims > table", document.querySelector("body.claims") ?? document.createDocumentFragment())) {
  const heads = $("thead th", table), body = table.tBodies[0];
  heads.forEach((head) => {
    if (!head.textContent.trim()) return;
    const sort = make("button", { type: "button", className: "sort", textContent: head.textContent });
    head.replaceChildren(sort);
    sort.onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[head.cellIndex].textContent.trim();
      const rows = [...body.rows].sort((a, b) => text(a).localeCompare(text(b), "en", { numeric: true }));
      body.append(...(down ? rows.reverse() : rows));
    };
  });
}

// Figures: an element with data-tip says it when it is pointed at, focused or touched.
const tip = make("div", { className: "tip", role: "status", hidden: true });
document.body.append(tip);
for (const mark of $("[data-tip]")) {
  mark.setAttribute("tabindex", "0");
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", mark.dataset.tip);
  const open = () => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const at = mark.getBoundingClientRect(), wide = document.documentElement.clientWidth;
    const left = at.left + at.width / 2 - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(8, Math.min(left, wide - tip.offsetWidth - 8))}px`;
    tip.style.top = `${at.top > tip.offsetHeight + 12 ? at.top - tip.offsetHeight - 8 : at.bottom + 8}px`;
  };
  const close = () => { tip.hidden = true; };
  for (const name of ["mouseenter", "focus", "click"]) mark.addEventListener(name, open);
  for (const name of ["mouseleave", "blur"]) mark.addEventListener(name, close);
  mark.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
}
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

// Search: pagefind's index lies beside the site; a browser reads it from a server only.
const field = document.getElementById("search"), found = document.getElementById("found");
const count = found.querySelector("p"), list = found.querySelector("ol");
const base = new URL(`${document.body.dataset.up}/../`, location.href);
let pagefind, latest = 0;
// Words that say nothing are left out. If no page has all that remain, those with most come first.
const idle = new Set("a an and are as at be by do does for from how in is it its of on or that the this to versus vs was what when where which who why with".split(" "));
const look = async (text) => {
  const all = text.split(/\s+/), said = all.filter((word) => !idle.has(word.toLowerCase()));
  const words = said.length ? said : all;
  const { results } = await pagefind.search(words.join(" "));
  if (results.length || words.length === 1) return results;
  const some = new Map();
  for (const word of words) {
    for (const result of (await pagefind.search(word)).results) {
      const known = some.get(result.id) ?? { result, words: 0, score: 0 };
      some.set(result.id, { result, words: known.words + 1, score: known.score + result.score });
    }
  }
  return [...some.values()].sort((a, b) => b.words - a.words || b.score - a.score).map(({ result }) => result);
};
const search = async () => {
  const words = field.value.trim(), mine = ++latest;
  found.hidden = !words;
  if (!words) return;
  try {
    if (location.protocol === "file:") throw new Error("no server");
    pagefind ??= await import(new URL("pagefind/pagefind.js", base));
  } catch {
    count.textContent = "Search needs a server: nox -s book -- serve";
    return;
  }
  const results = await look(words);
  const pages = await Promise.all(results.slice(0, 16).map((result) => result.data()));
  const aside = ({ url }) => /(source|claims|answers)\.html$/.test(url); // prose comes first
  pages.sort((a, b) => aside(a) - aside(b)).splice(8);
  if (mine !== latest) return;
  count.textContent = results.length ? `${results.length} ${results.length === 1 ? "page" : "pages"}` : "Nothing found";
  list.replaceChildren(...pages.map((page) => {
    const parts = [...page.sub_results].sort((a, b) => b.locations.length - a.locations.length);
    const part = parts[0] ?? page;
    const excerpt = make("p", { innerHTML: part.excerpt });
    const link = make("a", { href: part.url, textContent: page.meta.title });
    return make("li", {}, link, part.url === page.url ? "" : ` · ${part.title}`, excerpt);
  }));
};
field.oninput = search;
field.onkeydown = (event) => {
  if (event.key === "Enter") list.querySelector("a")?.click();
};
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape" && !found.hidden) {
    found.hidden = true;
    field.focus();
  }
});
document.addEventListener("click", (event) => { if (!event.target.closest("search")) found.hidden = true; });
