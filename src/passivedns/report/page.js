"use strict";
// Sorts, filters, and shows times of day; the page is complete without it.
const padded = (text, digits) => text.padStart(digits, "0");
const ipv6 = (value) => {
  const [left, right] = value.split("::").map((half) => half.split(":").filter(Boolean));
  const gap = right ? Array(8 - left.length - right.length).fill("0") : [];
  return [...left, ...gap, ...(right || [])].map((group) => padded(group, 4)).join("");
};
// IPv4 and IPv6 addresses in numeric order, then names in natural order.
const order = (value) => {
  if (/^(\d+\.){3}\d+$/.test(value)) return `0${value.split(".").map((part) => padded(part, 3)).join("")}`;
  if (/^[\da-f:]*:[\da-f:]*$/.test(value)) return `1${ipv6(value)}`;
  return `2${value.replace(/\d+/g, (digits) => padded(digits, 12))}`;
};
// The contents of a row, read on first use.
const read = (row) => {
  const [type, value, first, last, , sources] = [...row.cells].map((cell) => cell.textContent);
  const times = [2, 3].map((number) => row.cells[number].title);
  const keys = [type, order(value), first + times[0], last + times[1], "", sources];
  return { row, types: type.split(", "), first, last, keys, text: `${value} ${sources}`.toLowerCase() };
};

for (const section of document.querySelectorAll(".lookup")) {
  const form = section.querySelector(".filter");
  if (!form) continue;
  const body = section.querySelector("tbody");
  const search = form.querySelector("input[type=search]");
  const date = form.querySelector("input[type=date]");
  const boxes = [...form.querySelectorAll("input[type=checkbox]")];
  let known;
  const rows = () => (known ||= [...body.rows].map(read));

  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    const day = date.value;
    const types = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let shown = 0;
    for (const { row, text, first, last, types: own } of rows()) {
      const then = !day || (first <= day && day <= last && last !== "unknown");
      const fits = then && text.includes(wanted) && own.some((name) => types.has(name));
      if (row.hidden === fits) row.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").textContent = `${shown.toLocaleString("en")} of ${rows().length.toLocaleString("en")}`;
  };

  const sort = (header) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const key = ({ keys }) => keys[header.cellIndex];
    rows().sort((a, b) => (key(a) === key(b) ? 0 : key(a) < key(b) ? -sign : sign));
    const all = document.createDocumentFragment();
    for (const { row } of rows()) all.append(row);
    body.append(all);
  };

  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of section.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.parentElement));
  }
  body.addEventListener("mouseover", ({ target }) => {
    if (!target.matches("[style].line") || target.title) return;
    const [first, last] = [2, 3].map((number) => target.parentElement.cells[number]);
    target.title = `${first.textContent} ${first.title} to ${last.textContent} ${last.title}`;
  });
}
