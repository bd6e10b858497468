// A session that ends while a page is open: the page would stand still, and look current.
(function () {
  const ask = window.fetch;
  let leaving = false;

  window.fetch = function () {
    return ask.apply(this, arguments).then(function (answer) {
      if (answer.status === 401 && answer.url.startsWith(window.location.origin) && !leaving) {
        leaving = true;
        const here = window.location.pathname + window.location.search;
        window.location.assign("/sign-in?next=" + encodeURIComponent(here));
      }
      return answer;
    });
  };
})();
