// The few things that only the browser knows: its mode, its width, its address.
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;

  function mode() {
    return root.dataset.theme || (dark.matches ? "dark" : "light");
  }

  dark.addEventListener("change", function () {
    if (!root.dataset.theme) {
      window.dash_clientside.set_props("shell-mode", { data: mode() });
    }
  });

  let observer = null;
  let pending = null;

  function rounded(element) {
    return Math.floor(element.clientWidth / 8) * 8;
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.wattline = Object.assign({}, window.dash_clientside.wattline, {
    chooseMode: function (clicks) {
      if (clicks) {
        root.dataset.theme = mode() === "dark" ? "light" : "dark";
        try {
          localStorage.setItem("wattline-theme", root.dataset.theme);
        } catch (refused) {
          // Storage is switched off: the choice lasts as long as the page.
        }
      }
      return mode();
    },

    // The map has whole pixels per cell, so the server must know how many there are.
    watchWidth: function (id) {
      const element = document.getElementById(id);
      if (observer) {
        observer.disconnect();
      }
      let last = rounded(element);
      observer = new ResizeObserver(function () {
        const width = rounded(element);
        if (width === last || width === 0) {
          return;
        }
        last = width;
        clearTimeout(pending);
        pending = setTimeout(function () {
          window.dash_clientside.set_props("fleet-width", { data: width });
        }, 120);
      });
      observer.observe(element);
      return last || window.dash_clientside.no_update;
    },

    choosePeriod: function (period) {
      const address = new URL(window.location);
      if (period && period !== "custom" && address.searchParams.get("period") !== period) {
        address.searchParams.set("period", period);
        window.history.replaceState(window.history.state, "", address);
      }
      return period !== "custom";
    },
  });
})();
