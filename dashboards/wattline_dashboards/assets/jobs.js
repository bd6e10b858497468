// Lists of jobs are drawn past Dash (see draw.js), so their heads, pages and links are heard here.
(function () {
  function set(id, value) {
    window.dash_clientside.set_props(id, { value: value });
  }

  function go(address) {
    window.history.pushState({}, "", address);
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
    window.scrollTo(0, 0);
  }

  document.addEventListener("click", function (event) {
    const sort = event.target.closest("[data-job-sort]");
    if (sort !== null) {
      set("my_jobs-page", "");
      set("my_jobs-sort", sort.dataset.jobSort);
      return;
    }
    const page = event.target.closest("[data-job-page]");
    if (page !== null) {
      set("my_jobs-page", page.dataset.jobPage);
      return;
    }
    // A link within the pages need not load all of them anew; with a key held it is the browser's.
    const link = event.target.closest("a[data-within]");
    if (link === null || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) {
      return;
    }
    event.preventDefault();
    go(link.href);
  });

  // Forms are sent nowhere: the policy of these pages forbids it.
  document.addEventListener("submit", function (event) {
    if (event.target.matches("form.find-job")) {
      event.preventDefault();
      const asked = new URLSearchParams(new FormData(event.target));
      go("/job?" + asked.toString());
    }
  }, true);

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.wattline = Object.assign({}, window.dash_clientside.wattline, {
    // What was found anew is looked at from its first page.
    firstPage: function () {
      return "";
    },
  });
})();
