// The dialog that names the right class: candidates first, then what the typed letters match, then a new class.

export const picker = (dialog, input, list, count) => {
  let choose = null, names = [], first = [], marked = 0;

  const matches = () => {
    const typed = input.value.trim().toLowerCase().replace(/\s+/g, " ");
    const pool = [...new Set([...first, ...names])].filter((name) => name !== "");
    const starts = pool.filter((name) => name.toLowerCase().startsWith(typed));
    const within = pool.filter((name) => !name.toLowerCase().startsWith(typed) && name.toLowerCase().includes(typed));
    const rows = [...starts, ...within].slice(0, 60).map((name) => ({ name, kind: "" }));
    if (typed && !pool.some((name) => name.toLowerCase() === typed)) rows.push({ name: input.value.trim().replace(/\s+/g, " "), kind: "new class" });
    if (!typed || "none of these".includes(typed)) rows.push({ name: "", kind: "none of these" });
    return rows;
  };

  const draw = () => {
    const rows = matches();
    marked = Math.max(0, Math.min(marked, rows.length - 1));
    list.replaceChildren(...rows.map((row, at) => {
      const item = document.createElement("li");
      item.id = `choice-${at}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(at === marked));
      if (row.kind) {
        const kind = document.createElement("span");
        kind.className = "kind";
        kind.textContent = row.name === "" ? row.kind : `${row.kind}: `;
        item.append(kind);
      }
      item.append(row.name);
      item.addEventListener("click", () => take(row.name));
      return item;
    }));
    input.setAttribute("aria-activedescendant", rows.length ? `choice-${marked}` : "");
    list.children[marked]?.scrollIntoView({ block: "nearest" });
    return rows;
  };

  const take = (name) => {
    dialog.close();
    choose?.(name);
  };

  input.addEventListener("input", () => { marked = 0; draw(); });
  dialog.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      marked += event.key === "ArrowDown" ? 1 : -1;
      draw();
    } else if (event.key === "Enter") {
      const rows = matches();
      if (rows[marked]) take(rows[marked].name);
    } else return;
    event.preventDefault();
  });

  return (classes, candidates, images, chosen) => {
    [names, first, choose, marked] = [classes, candidates, chosen, 0];
    input.value = "";
    count.textContent = images > 1 ? `(${images} images)` : "";
    draw();
    dialog.showModal();
    input.focus();
  };
};
