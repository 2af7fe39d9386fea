for (const button of document.querySelectorAll(".sortable button")) button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = row => row.cells[head.cellIndex].dataset.v ?? row.cells[head.cellIndex].textContent;
  const order = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  const compare = (a, b) => a === "" || b === "" ? (a === "") - (b === "") : up ? order(a, b) : order(b, a);
  body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
});

const search = document.querySelector("#search"), found = document.querySelector("#found");
const rows = [...document.querySelectorAll("#label-table tbody tr")];
const show = () => {
  const wanted = search.value.trim().toLowerCase();
  for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  found.textContent = wanted && `${rows.filter(row => !row.hidden).length} of ${rows.length}`;
};
search.closest("p").hidden = false;
search.addEventListener("input", show);
addEventListener("hashchange", () => {
  const target = rows.find(row => row.id === location.hash.slice(1));
  if (target?.hidden) { search.value = ""; show(); target.scrollIntoView(); }
});

const spoken = document.querySelector("#spoken");
for (const point of document.querySelectorAll(".chart a"))
  for (const event of ["mouseenter", "focus"])
    point.addEventListener(event, () => { spoken.textContent = point.getAttribute("aria-label"); });
