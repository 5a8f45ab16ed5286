// One tile of the grid: how a label, its doubt and its answer look. Text of others is set as text, never as markup.

export const percent = (share) => (share > 0 && share < .005 ? "< 1 %" : `${Math.round(100 * share)} %`);

export const shown = (label) => label === "" ? "none of these" : label;

const part = (kind, name, text = "") => {
  const element = document.createElement(kind);
  element.className = name;
  element.textContent = text;
  return element;
};

export const create = (tile, audit) => {
  const item = part("li", "tile");
  item.id = `tile-${tile.id}`;
  item.dataset.id = tile.id;
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  const frame = part("div", "frame");
  const image = part("img", "");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = tile.path;
  image.addEventListener("error", async () => {
    const answer = await fetch(image.src).catch(() => null);
    const reason = answer && !answer.ok ? (await answer.json().catch(() => ({}))).error : "";
    image.replaceWith(part("p", "lost", reason || `No picture of ${tile.path}`));
  });
  image.src = `small/${tile.id}?${tile.digest}`;
  frame.append(image);
  if (tile.alike > 1) {
    const alike = part("span", "alike", `× ${tile.alike}`);
    alike.title = `${tile.alike} near-duplicates: one answer for all`;
    frame.append(alike);
  }
  const caption = part("div", "caption");
  caption.append(part("span", "label"), part("span", "detail"));
  const quick = part("div", "quick");
  const yes = part("button", "yes", "Right");
  const fix = part("button", "fix", "Correct");
  for (const [button, action] of [[yes, "confirm"], [fix, "correct"]]) {
    button.type = "button";
    button.tabIndex = -1;
    button.dataset.tile = action;
    quick.append(button);
  }
  item.append(frame, caption, quick);
  update(item, tile, audit);
  return item;
};

export const update = (item, tile, audit) => {
  const answered = tile.answer !== null;
  const now = answered ? tile.answer : tile.label;
  item.classList.toggle("right", (answered && tile.answer === tile.label) || (!answered && tile.before));
  item.classList.toggle("changed", answered && tile.answer !== tile.label);
  item.classList.toggle("outside", now === "");
  item.classList.remove("saving");
  const label = item.querySelector(".label");
  label.textContent = shown(now);
  if (answered && tile.answer !== tile.label) label.append(" ", part("span", "was", shown(tile.label)));
  const facts = [];
  if (answered) facts.push(tile.who ? `said by ${tile.who}` : "answered");
  else if (tile.before) facts.push("said before");
  else {
    facts.push(percent(tile.probability));
    if (tile.second && !audit) facts.push(`or ${tile.second}`);
    if (tile.outside >= .5 && !audit) facts.push("perhaps none of these");
  }
  item.querySelector(".detail").textContent = facts.join(", ");
  item.setAttribute("aria-label", `${shown(now)}, ${facts.join(", ")}, ${tile.path}`);
};
