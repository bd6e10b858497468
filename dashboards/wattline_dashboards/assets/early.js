// What Dash will ask for once it has loaded is asked for now, for the page and the window that this
// one is: the answer is there when Dash is.
(function () {
  const root = document.documentElement;
  // What the page leaves free for its scroll bar, as its style sheet will say it.
  const probe = document.createElement("div");
  probe.style.cssText =
    "position: absolute; overflow: auto; scrollbar-gutter: stable; width: 64px; height: 64px";
  const inside = probe.appendChild(document.createElement("div"));
  root.appendChild(probe);
  const bar = probe.offsetWidth - inside.offsetWidth;
  root.removeChild(probe);
  const room = window.innerWidth - bar + "x" + window.innerWidth;

  const asked = new URLSearchParams({
    at: window.location.pathname + window.location.search, room: room,
  });
  const ask = window.fetch;
  const early = {};
  ["/_dash-layout", "/_dash-dependencies"].forEach(function (path) {
    const from = path === "/_dash-layout" ? path + "?" + asked : path;
    early[path] = ask(from, { credentials: "same-origin" });
    early[path].catch(function () {}); // whoever takes it hears of it
  });

  // Each is taken once: Dash asks again after an error, and is to be told what is the case then.
  window.fetch = function (what) {
    const path = typeof what === "string" ? what : "";
    const answer = early[path];
    delete early[path];
    return answer || ask.apply(this, arguments);
  };
})();
