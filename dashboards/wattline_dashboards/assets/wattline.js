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

  // Buttons stand in parts that are drawn past Dash as well, so the page listens for them all.
  document.addEventListener("click", function (event) {
    const button = event.target.closest("[data-explain]");
    if (button) {
      const asked = { kpi: button.dataset.explain, at: Date.now() };
      window.dash_clientside.set_props("shell-explain", { data: asked });
    } else if (event.target.closest("[data-language]")) {
      const chosen = event.target.closest("[data-language]").dataset.language;
      document.cookie = "wattline-language=" + chosen + ";path=/;max-age=31536000;samesite=lax";
      window.location.reload();
    } else if (event.target.id === "shell-dialog") {
      event.target.close(); // beside what it shows
    }
  });

  let observer = null;
  let pending = null;

  function rounded(element) {
    return Math.floor(element.clientWidth / 8) * 8;
  }

  // The address says what is shown, so that it can be sent to a colleague. No new history entry: the
  // way back leads to the page before, not to every choice that was tried here.
  function write(values) {
    const address = new URL(window.location);
    Object.entries(values).forEach(function ([name, value]) {
      if (value === null || value === undefined || value === "") {
        address.searchParams.delete(name);
      } else {
        address.searchParams.set(name, value);
      }
    });
    if (address.href !== window.location.href) {
      window.history.replaceState(window.history.state, "", address);
    }
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

    // What the address says of period and system, for the pickers; a page's first view included.
    readAddress: function (search) {
      const said = new URLSearchParams(search || window.location.search);
      const keep = window.dash_clientside.no_update;
      const period = said.get("period");
      const known = Array.from(document.querySelectorAll("#shell-period input")).map(function (one) {
        return one.value;
      });
      return [
        period && (known.length === 0 || known.includes(period)) ? period : keep,
        said.get("first") || keep,
        said.get("last") || keep,
        said.get("system") || keep,
      ];
    },

    // What the pickers say, for the pages and for the address.
    asked: function (period, first, last, system) {
      const custom = period === "custom";
      const asked = { period: period, first: custom ? first : null, last: custom ? last : null };
      asked.system = system || null;
      const place = document.getElementById("shell-period-place");
      const usual = place !== null && place.dataset.usual === period;
      write(Object.assign({}, asked, { period: usual ? null : period }));
      return [asked, !custom];
    },

    // An answer to a press of a button that names a KPI: shown where there is something to show.
    explain: function (parts) {
      if (parts && parts["shell-explanation"]) {
        window.dash_clientside.wattline.draw(parts);
        const dialog = document.getElementById("shell-dialog");
        if (!dialog.open) {
          dialog.showModal();
        }
      }
    },

    remember: function () {
      const values = {};
      window.dash_clientside.callback_context.inputs_list.forEach(function (input) {
        values[input.id.slice(input.id.indexOf("-") + 1)] = input.value;
      });
      write(values);
    },

    savePicture: function (clicks) {
      if (!clicks) {
        return;
      }
      const id = window.dash_clientside.callback_context.triggered_id.replace(/-png$/, "");
      const graph = document.querySelector("#" + CSS.escape(id) + " .js-plotly-plot");
      if (graph) {
        window.Plotly.downloadImage(graph, { format: "png", scale: 2, filename: id });
      } else {
        window.dash_clientside.wattline.saveMap(id);
      }
    },
  });
})();
