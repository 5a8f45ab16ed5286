"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // theme: the system's until the reader chooses, then remembered
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => { $("theme").textContent = isDark() ? "Light theme" : "Dark theme"; }; // what a press gives
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("susx-theme", root.dataset.theme); } catch { /* storage is off */ }
    showTheme();
    redraw();
  });
  system.addEventListener("change", () => { showTheme(); redraw(); });
  showTheme();
  $("theme").hidden = false; // without this script it would do nothing

  // sortable tables: unknown values stay at the bottom whichever way
  for (const table of all("table.sortable")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = head.querySelector("button.sort");
      if (!button) return;
      const numeric = head.classList.contains("num");
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const order = now === "none" ? (numeric ? "descending" : "ascending") : now === "ascending" ? "descending" : "ascending";
        heads.forEach((h) => h.hasAttribute("aria-sort") && h.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const body = table.tBodies[0];
        const value = (row) => {
          const cell = row.cells[column];
          if (!numeric) return cell.textContent.trim();
          return cell.dataset.v === "" || cell.dataset.v === undefined ? null : Number(cell.dataset.v);
        };
        [...body.rows]
          .map((row) => [value(row), row])
          .sort(([a], [b]) => {
            if (a === null || b === null) return (a === null) - (b === null);
            return sign * (numeric ? a - b : a.localeCompare(b, undefined, { numeric: true }));
          })
          .forEach(([, row]) => body.append(row));
        if ($("sorted")) $("sorted").textContent = `Sorted by ${button.firstChild.textContent.trim()}, ${order}.`;
      });
    });
  }

  // provenance of a picture: on hover and on focus
  const tip = $("tip");
  let tipped = null;
  const hideTip = () => {
    tip.hidden = true;
    if (tipped) tipped.removeAttribute("aria-describedby");
    tipped = null;
  };
  const showTip = (tile) => {
    hideTip();
    const list = document.createElement("dl");
    for (const [name, value] of JSON.parse(tile.dataset.facts)) {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = name;
      dd.textContent = value;
      list.append(dt, dd);
    }
    tip.replaceChildren(list);
    tip.hidden = false;
    tipped = tile;
    tile.setAttribute("aria-describedby", "tip");
    const at = tile.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.left, innerWidth - size.width - 8));
    const below = at.bottom + 8 + size.height <= innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - size.height - 8)}px`;
  };
  const tileOf = (event) => event.target.closest && event.target.closest(".tile");
  document.addEventListener("mouseover", (event) => {
    const tile = tileOf(event);
    if (tile) showTip(tile);
    else if (tipped && document.activeElement !== tipped) hideTip();
  });
  document.addEventListener("focusin", (event) => (tileOf(event) ? showTip(tileOf(event)) : hideTip()));
  document.addEventListener("focusout", hideTip);
  document.addEventListener("scroll", () => tipped && document.activeElement !== tipped && hideTip(), { passive: true });

  // one tab stop per montage, arrow keys within it
  for (const montage of all(".montage")) {
    const first = montage.querySelector(".tile");
    if (first) first.tabIndex = 0;
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return hideTip();
    const tile = tileOf(event);
    if (!tile) return;
    const tiles = all(".tile", tile.parentElement);
    const here = tiles.indexOf(tile);
    const perRow = Math.max(1, tiles.filter((t) => t.offsetTop === tiles[0].offsetTop).length);
    const to = { ArrowRight: here + 1, ArrowLeft: here - 1, ArrowDown: here + perRow, ArrowUp: here - perRow, Home: 0, End: tiles.length - 1 }[event.key];
    if (to === undefined || !tiles[to]) return;
    event.preventDefault();
    tile.tabIndex = -1;
    tiles[to].tabIndex = 0;
    tiles[to].focus();
  });

  // classes by name
  const find = $("find");
  if (find) {
    find.addEventListener("input", () => {
      const word = find.value.trim().toLowerCase();
      const classes = all("article.class");
      for (const c of classes) c.hidden = !c.dataset.class.includes(word);
      const shown = classes.filter((c) => !c.hidden).length;
      $("found").textContent = word ? `${shown} of ${classes.length} classes` : "";
    });
  }

  // copy the command; a page opened from a file may have no clipboard, then the text is selected
  $("copy").addEventListener("click", async () => {
    const code = $("command");
    let words = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      words = document.execCommand && document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    }
    $("copied").textContent = words;
    $("copy").textContent = words;
    setTimeout(() => { $("copy").textContent = "Copy"; }, 2500);
  });

  // figures: plotly.js is unpacked when the first figure comes near the screen
  const specs = $("specs") ? JSON.parse($("specs").textContent) : {};
  const drawn = new Set();
  let library = null;
  const loadLibrary = () => {
    library ??= (async () => {
      const letters = atob($("plotly").textContent);
      const packed = new Uint8Array(letters.length);
      for (let i = 0; i < letters.length; i += 1) packed[i] = letters.charCodeAt(i);
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      const script = document.createElement("script");
      script.textContent = await new Response(stream).text();
      document.head.append(script);
      $("plotly").textContent = "";
    })();
    return library;
  };
  const coloured = (value, style) => {
    if (typeof value === "string") return value.startsWith("--") ? style.getPropertyValue(value).trim() : value;
    if (Array.isArray(value)) return value.map((v) => coloured(v, style));
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
    return value;
  };
  // names of classes that have no room beside each other: every other one, every third ...; hover and table have them all
  const thinned = (axis, pixels, each) => {
    const count = axis.tickvals && axis.showticklabels !== false ? axis.tickvals.length : 0;
    const step = Math.ceil((count * each) / Math.max(pixels, each));
    const kept = (list) => list.filter((_, i) => i % step === 0);
    return step < 2 ? axis : { ...axis, tickvals: kept(axis.tickvals), ticktext: kept(axis.ticktext) };
  };
  const draw = async (node) => {
    await loadLibrary();
    const style = getComputedStyle(root);
    const spec = coloured(specs[node.dataset.figure], style);
    const axis = { gridcolor: style.getPropertyValue("--line"), zerolinecolor: style.getPropertyValue("--muted"), linecolor: style.getPropertyValue("--muted"), automargin: true };
    const { xaxis = {}, yaxis = {}, ...rest } = spec.layout;
    const layout = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 16, t: 32, b: 48 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--muted").trim(), activecolor: style.getPropertyValue("--accent").trim() },
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: style.getPropertyValue("--ink").trim() },
      hoverlabel: { bgcolor: style.getPropertyValue("--ink").trim(), font: { family: getComputedStyle(document.body).fontFamily, color: style.getPropertyValue("--page").trim() } },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, ...rest, xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis },
    };
    if (!drawn.has(node)) node.replaceChildren();
    drawn.add(node);
    // only these buttons: Plotly's own set has one that sends the figure to its makers' site
    const buttons = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
    await window.Plotly.react(node, spec.data, layout, buttons);
    if (node.dataset.drawn && node.offsetParent) await window.Plotly.Plots.resize(node); // at once, not when Plotly's own timer ends
    const area = node.querySelector(".nsewdrag").getBoundingClientRect();
    const axes = { xaxis: thinned(layout.xaxis, area.width, 17), yaxis: thinned(layout.yaxis, area.height, 14) };
    if (axes.xaxis !== layout.xaxis || axes.yaxis !== layout.yaxis) await window.Plotly.react(node, spec.data, { ...layout, ...axes }, buttons);
    node.dataset.drawn = isDark() ? "dark" : "light";
  };
  const failed = (node) => (error) => {
    node.textContent = `This figure could not be drawn (${error.message}); its numbers are in the table below.`;
  };
  let width = innerWidth;
  addEventListener("resize", () => {
    if (width === innerWidth) return; // a telephone's bars come and go
    width = innerWidth;
    requestAnimationFrame(redraw);
  });
  function redraw() { for (const node of drawn) draw(node).catch(failed(node)); }
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      draw(entry.target).catch(failed(entry.target));
    }
  }, { rootMargin: "400px" });
  // Those near the screen first, then the others while nothing else is to be done: a page that is printed has all of them.
  const idle = () => new Promise((done) => (window.requestIdleCallback ?? ((f) => setTimeout(f, 50)))(done));
  const start = async () => {
    all(".plot").forEach((node) => watcher.observe(node));
    for (const node of all(".plot")) {
      await idle();
      watcher.unobserve(node);
      if (!drawn.has(node)) await draw(node).catch(failed(node));
    }
  };
  if (document.readyState === "complete") start();
  else addEventListener("load", start);
})();
