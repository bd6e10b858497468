// What Dash's controls tell whoever hears them, put right where they say it wrong. They are made in
// the browser, so they are looked after for as long as the page is open.
(function () {
  function each(selector, mend) {
    document.querySelectorAll(selector).forEach(mend);
  }

  function mend() {
    // The tab key is led to a dropdown by an input that is hidden from screen readers, which then say
    // nothing. Our style takes that input away, so the button itself must be reached.
    each(".dash-dropdown-focus-target + button[tabindex='-1']", function (button) {
      button.tabIndex = 0;
    });

    // Radio buttons say themselves which is chosen, and so do boxes to tick; as options of a list box
    // they could not be in it.
    each(".dash-radioitems[role='listbox'], .dash-checklist[role='listbox']", function (group) {
      const named = group.parentElement.closest("[aria-label]");
      group.setAttribute("role", group.matches(".dash-checklist") ? "group" : "radiogroup");
      if (named) {
        group.setAttribute("aria-label", named.getAttribute("aria-label"));
      }
    });
    const labels = [".dash-radioitems label", ".dash-checklist label"].flatMap(function (label) {
      return [label + "[role]", label + "[aria-selected]"];
    });
    each(labels.join(), function (label) {
      label.removeAttribute("role");
      label.removeAttribute("aria-selected");
    });

    // The frame around two dates is no button: each date in it is.
    each(".dash-datepicker-input-wrapper[aria-expanded]", function (frame) {
      frame.removeAttribute("aria-expanded");
      frame.removeAttribute("aria-haspopup");
      frame.setAttribute("role", "group");
    });
    each("a.dash-datepicker-clear:not([role])", function (cross) {
      cross.setAttribute("role", "button");
      cross.tabIndex = 0;
    });
  }

  document.addEventListener("keydown", function (event) {
    const pressed = event.key === "Enter" || event.key === " ";
    if (pressed && event.target.matches("a.dash-datepicker-clear")) {
      event.preventDefault();
      event.target.click();
    }
  });

  new MutationObserver(mend).observe(document, {
    attributeFilter: ["aria-expanded", "aria-selected"], childList: true, subtree: true,
  });
})();
