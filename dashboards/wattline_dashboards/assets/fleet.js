// The map by keys, and ways to other pages that keep the page open.
(function () {
  const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter"];
  let count = 0;

  document.addEventListener("keydown", function (event) {
    const frame = event.target.closest && event.target.closest("#fleet-frame");
    if (!frame || !KEYS.includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    count += 1;
    window.dash_clientside.set_props("fleet-key", { data: { key: event.key, count: count } });
  });

  // What the parts drawn from a store link to is another of our pages: no need to load it all anew.
  document.addEventListener("click", function (event) {
    const link = event.target.closest && event.target.closest("a.inside");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    event.preventDefault();
    window.history.pushState({}, "", link.href);
    window.dispatchEvent(new PopStateEvent("popstate"));
    window.scrollTo(0, 0);
  });
})();
