// The page of the service and of the web export: pictures in, classes out. Who answers is in ask.js.
import { about, classify, atOnce, where } from "./ask.js";

const byId = (id) => document.getElementById(id);
const results = [];
let waiting = 0, ready = 0, running = 0;
const queue = [];

function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

function show(entry, record) {
  const { item } = entry;
  entry.record = record;
  if (record.error) {
    item.lastElementChild.append(element("p", record.error, "error"));
    return;
  }
  const best = record.none_of_these ? `none of these (nearest: ${record.class_name})` : record.class_name;
  item.lastElementChild.append(element("p", best, "best"));
  const table = element("table");
  for (const scored of record.top) {
    const row = table.insertRow();
    row.append(element("td", scored.class_name));
    const bar = element("progress");
    bar.value = scored.probability;
    bar.setAttribute("aria-label", `${scored.class_name}: ${percent(scored.probability)}`);
    row.insertCell().append(bar);
    row.append(element("td", percent(scored.probability)));
  }
  item.append(table);
  if (record.nearest.length) {
    const near = record.nearest.map((image) => `${image.class_name} (${image.similarity.toFixed(2)}, ${image.origin})`);
    item.append(element("p", `Nearest support images: ${near.join(", ")}`, "nearest"));
  }
}

function tell() {
  const bad = results.filter((entry) => entry.record?.error).length;
  byId("progress").textContent = waiting || ready
    ? `${ready} of ${ready + waiting} pictures classified${bad ? `, ${bad} could not be read` : ""}.` : "";
  byId("csv").disabled = !ready || waiting > 0;
  byId("clear").disabled = !results.length || waiting > 0;
}

async function work() {
  while (running < atOnce && queue.length) {
    const entry = queue.shift();
    running += 1;
    classify(entry.file).catch((error) => ({ error: String(error.message || error) })).then((record) => {
      show(entry, record);
      running -= 1;
      waiting -= 1;
      ready += 1;
      tell();
      work();
    });
  }
}

const looksLikeImage = (file) => file.type.startsWith("image/") || /\.(jpe?g|jfif|png|apng|webp|gif|bmp|tiff?|ppm|pgm|jp2|avif)$/i.test(file.name);

function add(files, everything) {
  const chosen = [...files].filter((file) => everything || looksLikeImage(file))
    .sort((a, b) => pathOf(a) < pathOf(b) ? -1 : 1);
  for (const file of chosen) {
    const item = element("li");
    const picture = element("img");
    picture.alt = "";
    picture.loading = "lazy";
    picture.src = URL.createObjectURL(file);
    const side = element("div");
    side.append(element("p", pathOf(file), "name"));
    item.append(picture, side);
    byId("results").append(item);
    const entry = { file, item, picture };
    results.push(entry);
    queue.push(entry);
    waiting += 1;
  }
  if (!chosen.length) byId("progress").textContent = "There are no pictures among these files.";
  else tell();
  work();
}

const pathOf = (file) => file.webkitRelativePath || file.relativePath || file.name;

async function dropped(items) {
  // Entries must be taken before the first wait: the list is empty afterwards.
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((good, bad) => entry.file(good, bad));
      file.relativePath = entry.fullPath.replace(/^\//, "");
      files.push(file);
    } else {
      const reader = entry.createReader();
      for (let some; (some = await new Promise((good, bad) => reader.readEntries(good, bad))).length;) {
        for (const one of some) if (!one.name.startsWith(".")) await walk(one);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  add(files, entries.length === files.length);
}

// A spreadsheet would run a cell that begins so (OWASP, CSV injection).
function cell(value) {
  const text = String(value);
  const safe = typeof value === "string" && /^\s*[=+\-@]/.test(text) && !/^[-+]?[\d.,]*$/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csv() {
  const most = Math.max(1, ...results.map((entry) => entry.record?.top?.length || 0));
  const ranked = Array.from({ length: most }, (_, k) => [`class_name_${k + 1}`, `probability_${k + 1}`]).flat();
  const rejecting = results.some((entry) => "none_of_these" in (entry.record || {}));
  const rows = [["image", ...ranked, "nearest", "error", ...(rejecting ? ["none_of_these"] : [])]];
  for (const { file, record } of results) {
    const cells = (record.top || []).flatMap((scored) => [scored.class_name, scored.probability.toFixed(6)]);
    while (cells.length < 2 * most) cells.push("");
    const outside = { true: "yes", false: "no" }[record.none_of_these] || "";
    rows.push([pathOf(file), ...cells, (record.nearest || []).map((image) => image.file).join("|"), record.error || "",
      ...(rejecting ? [outside] : [])]);
  }
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

byId("csv").addEventListener("click", () => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "classes.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
});
byId("clear").addEventListener("click", () => {
  for (const { picture } of results) URL.revokeObjectURL(picture.src);
  results.length = 0;
  ready = 0;
  byId("results").replaceChildren();
  tell();
});
byId("files").addEventListener("change", (event) => { add(event.target.files, true); event.target.value = ""; });
byId("folder").addEventListener("change", (event) => { add(event.target.files, false); event.target.value = ""; });
const drop = byId("drop");
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  dropped(event.dataTransfer.items);
});

byId("where").textContent = where;
about().then((told) => {
  byId("about").textContent = `${told.classes} classes, ${told.encoder}.`;
  for (const note of told.notes) byId("notes").append(element("li", note, told.toy ? "warning" : ""));
  document.body.dataset.ready = "yes";
}, (error) => {
  byId("about").textContent = `The classifier could not be loaded: ${error.message || error}`;
  document.body.dataset.ready = "no";
});
