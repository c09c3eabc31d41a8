"use strict";
// Filter, sort and unfold the table of claims.  Without this script every row is shown, with its details to unfold.
(() => {
  const table = document.getElementById("claims");
  const filter = document.getElementById("filter");
  if (!table || !filter) return;
  const claims = [...table.tBodies];
  const count = document.getElementById("shown");
  const fields = filter.elements;
  document.documentElement.classList.add("scripted");
  filter.hidden = false;

  // Unfolding: a button in the first cell in place of the summary of its own row.
  const setOpen = (claim, open) => {
    claim.rows[1].hidden = !open;
    claim.querySelector("details").open = open;
    claim.querySelector("button").setAttribute("aria-expanded", String(open));
    if (open) claim.querySelectorAll("[data-figure]").forEach(showFigure);
  };
  // A figure stands in the page once; other claims that it shows get a copy when they are unfolded.
  const showFigure = (pointer) => {
    const figure = document.getElementById(pointer.dataset.figure);
    if (!figure || pointer.nextElementSibling?.matches("figure")) return;
    const copy = figure.cloneNode(true);
    copy.removeAttribute("id");
    copy.classList.add("copy");
    copy.querySelectorAll("[id]").forEach((one) => one.removeAttribute("id"));
    pointer.after(copy);
  };
  for (const claim of claims) {
    const cell = claim.rows[0].cells[0];
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unfold";
    button.append(...cell.childNodes);
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-controls", claim.rows[1].id);
    button.addEventListener("click", () => setOpen(claim, claim.rows[1].hidden));
    cell.append(button);
    claim.words = claim.textContent.toLowerCase();
    setOpen(claim, false);
  }

  // Filtering.
  const matches = (claim) =>
    ["group", "kind", "verdict"].every((key) => !fields[key].value || claim.dataset[key] === fields[key].value) &&
    fields.words.value.toLowerCase().split(/\s+/).every((word) => claim.words.includes(word));
  const apply = () => {
    claims.forEach((claim) => { claim.hidden = !matches(claim); });
    const shown = claims.filter((claim) => !claim.hidden).length;
    count.textContent = `${shown} of ${claims.length} claims`;
  };
  const clear = () => { filter.reset(); apply(); };
  filter.addEventListener("input", apply);
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.querySelector("[type=reset]").addEventListener("click", (event) => { event.preventDefault(); clear(); });
  document.getElementById("unfold-all").addEventListener("click", () => {
    const visible = claims.filter((claim) => !claim.hidden);
    const open = visible.some((claim) => claim.rows[1].hidden);
    visible.forEach((claim) => setOpen(claim, open));
  });
  document.querySelectorAll("a[data-group]").forEach((link) => link.addEventListener("click", () => {
    filter.reset();
    fields.group.value = link.dataset.group;
    apply();
  }));

  // Sorting: up, down, and back to the order of the paper.
  const heads = [...table.tHead.rows[0].cells];
  const key = (claim, k) => claim.rows[0].cells[k].dataset.sort ?? claim.rows[0].cells[k].textContent.trim();
  const compare = (a, b) => (isFinite(a) && isFinite(b) && a !== "" && b !== "" ? a - b : a.localeCompare(b));
  heads.forEach((head, k) => {
    if (!head.dataset.sortable) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { ascending: "descending", descending: null }[head.ariaSort] ?? (head.ariaSort ? null : "ascending");
      heads.forEach((other) => { other.ariaSort = null; });
      head.ariaSort = next;
      const sign = next === "descending" ? -1 : 1;
      const order = next ? [...claims].sort((a, b) => sign * compare(key(a, k), key(b, k))) : claims;
      table.append(...order);
    });
  });

  // A link into the table shows its claim, whatever the filter says.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const claim = target?.closest("tbody");
    if (!claim || claim.parentElement !== table) return;
    if (claim.hidden) clear();
    setOpen(claim, true);
    target.scrollIntoView();
  };
  window.addEventListener("hashchange", reveal);
  apply();
  reveal();
})();
