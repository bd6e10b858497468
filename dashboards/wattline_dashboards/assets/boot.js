// Before the first paint: the reader's choice of light or dark, if there is one.
(function () {
  try {
    const chosen = localStorage.getItem("wattline-theme");
    if (chosen === "light" || chosen === "dark") {
      document.documentElement.dataset.theme = chosen;
    }
  } catch (refused) {
    // Storage is switched off: the system's wish holds.
  }
})();
