"use strict";
(() => {
  const root = document.documentElement, theme = document.getElementById("theme");

  function name() {
    theme.textContent = root.dataset.theme === "dark" ? "light theme" : "dark theme";
  }
  theme.addEventListener("click", () => {
    dark.removeEventListener("change", followTheme);
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  });
  new MutationObserver(name).observe(root, { attributeFilter: ["data-theme"] });
  name();

  // Paper is white.
  let before = null;
  window.addEventListener("beforeprint", () => { before = root.dataset.theme; root.dataset.theme = "light"; });
  window.addEventListener("afterprint", () => { root.dataset.theme = before; });

  /** Value of a cell to sort by; what is missing comes last either way. */
  function valueOf(row, column, isNumber) {
    const cell = row.cells[column];
    return isNumber ? Number(cell.dataset.value || cell.textContent) : cell.textContent;
  }

  function compare(a, b, isNumber) {
    return isNumber ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  function sort(table, header, column) {
    const isNumber = header.classList.contains("number");
    const first = isNumber ? "descending" : "ascending";
    const other = isNumber ? "ascending" : "descending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    const turn = order === "ascending" ? 1 : -1, body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, column, isNumber), row]);
    const absent = (value) => isNumber && Number.isNaN(value);
    rows.sort(([a], [b]) => absent(a) - absent(b) || (absent(a) ? 0 : turn * compare(a, b, isNumber)));
    body.append(...rows.map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("main table")) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => sort(table, header, column));
    });
  }

  /** Leave the rows that hold every word. */
  for (const box of document.querySelectorAll(".filter input")) {
    const holder = box.closest(".table"), rows = [...holder.querySelector("tbody").rows];
    const said = holder.querySelector(".count"), texts = rows.map((row) => row.textContent.toLowerCase());
    const filter = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, at) => {
        row.hidden = !words.every((word) => texts[at].includes(word));
        shown += !row.hidden;
      });
      said.textContent = shown === rows.length ? rows.length + " rows" : shown + " of " + rows.length + " rows";
    };
    box.addEventListener("input", filter);
    filter();
  }

  // The section that is being read, in the list beside it.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link.parentElement]));
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const each of links.values()) each.classList.remove("here");
      links.get(entry.target.id).classList.add("here");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  for (const section of document.querySelectorAll("main section")) watch.observe(section);
})();
