"use strict";
// Sorting, filtering, and light on what belongs together; without it everything is there to be read.
const collator = new Intl.Collator("en", { numeric: true });
for (const section of document.querySelectorAll(".lookup")) {
  const form = section.querySelector(".filter");
  if (!form) continue;
  const body = section.querySelector("tbody");
  const rows = [...body.rows];
  const search = form.querySelector("input[type=search]");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  const nodes = new Map([...section.querySelectorAll(".graph a")].map((a) => [a.getAttribute("href").slice(1), a]));

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const types = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    for (const row of rows) {
      const [type, value, , , , sources] = row.cells;
      const found = `${value.textContent} ${sources.textContent}`.toLowerCase().includes(wanted);
      row.hidden = !found || !type.textContent.split(", ").some((name) => types.has(name));
      const node = nodes.get(row.id);
      if (node) node.style.display = row.hidden ? "none" : "";
    }
    form.querySelector("output").textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };

  const sort = (header) => {
    const order = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const text = (row) => row.cells[header.cellIndex].textContent;
    body.append(...rows.sort((a, b) => sign * collator.compare(text(a), text(b))));
  };

  const light = (id, on) => {
    document.getElementById(id).classList.toggle("lit", on);
    nodes.get(id)?.classList.toggle("lit", on);
  };

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of section.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.parentElement));
  }
  for (const [id, node] of nodes) {
    for (const item of [node, document.getElementById(id)]) {
      for (const type of ["mouseenter", "focusin"]) item.addEventListener(type, () => light(id, true));
      for (const type of ["mouseleave", "focusout"]) item.addEventListener(type, () => light(id, false));
    }
  }
}
