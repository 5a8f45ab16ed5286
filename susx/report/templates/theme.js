(() => {
  let kept = null;
  try { kept = localStorage.getItem("susx-theme"); } catch { /* storage is off: follow the system */ }
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
})();
