// Draws what wattline_dashboards/markup.py describes: ["tag", {attributes}, child, ...] or a text; a
// part that is the same for all who look comes as JSON of its own.
// Elements that stay are kept and only what differs is changed, so nothing flickers, a row that a
// reader opened stays open, and selected text stays selected.
(function () {
  function differs(node, part) {
    return typeof part === "string"
      ? node.nodeType !== Node.TEXT_NODE
      : node.nodeType !== Node.ELEMENT_NODE || node.localName !== part[0];
  }

  function made(part) {
    return typeof part === "string"
      ? document.createTextNode(part)
      : document.createElement(part[0]);
  }

  function set(element, name, value) {
    if (name === "style") {
      element.style.cssText = value;
    } else {
      element.setAttribute(name, value);
    }
  }

  function update(node, part) {
    if (typeof part === "string") {
      if (node.data !== part) {
        node.data = part;
      }
      return;
    }
    const before = node.wattlineAttributes || {};
    const after = part[1];
    for (const name in before) {
      if (!(name in after)) {
        node.removeAttribute(name);
      }
    }
    for (const name in after) {
      if (before[name] !== after[name]) {
        set(node, name, after[name]);
      }
    }
    node.wattlineAttributes = after;
    fill(node, part, 2);
  }

  // A part that says its `data-key` takes its element along when it moves: one that a reader opened
  // stays open although another comes in before it.
  function keyed(node, part) {
    const key = typeof part === "string" ? undefined : part[1]["data-key"];
    if (key === undefined) {
      return null;
    }
    while (node !== null && (differs(node, part) || node.dataset.key !== key)) {
      node = node.nextSibling;
    }
    return node;
  }

  function fill(parent, parts, first) {
    let node = parent.firstChild;
    for (let place = first; place < parts.length; place += 1) {
      const part = parts[place];
      const known = keyed(node, part);
      if (known !== null && known !== node) {
        parent.insertBefore(known, node);
        node = known;
      } else if (known === null && node !== null && part[1] && part[1]["data-key"] !== undefined) {
        node = parent.insertBefore(made(part), node);
      }
      if (node === null || differs(node, part)) {
        const fresh = made(part);
        if (node === null) {
          parent.appendChild(fresh);
        } else {
          parent.replaceChild(fresh, node);
        }
        node = fresh;
      }
      update(node, part);
      node = node.nextSibling;
    }
    while (node !== null) {
      const next = node.nextSibling;
      parent.removeChild(node);
      node = next;
    }
  }

  function draw(parts) {
    for (const id in parts || {}) {
      const element = document.getElementById(id);
      if (element !== null) {
        const drawn = parts[id];
        fill(element, typeof drawn === "string" ? JSON.parse(drawn) : drawn, 0);
      }
    }
  }

  // A drawing that comes with its page is on the screen with the page's first frame.
  function Drawing(given) {
    window.React.useLayoutEffect(function () {
      draw(given.data);
    }, [given.data]);
    return null;
  }

  function Later(given) {
    const react = window.React;
    const painted = react.useState(false);
    react.useEffect(function () {
      const frame = window.requestAnimationFrame(function () {
        setTimeout(function () {
          painted[1](true);
        });
      });
      return function () {
        window.cancelAnimationFrame(frame);
      };
    }, []);
    return painted[0] ? given.children : react.createElement("div", { className: "later" });
  }

  window.wattline_parts = Object.assign({}, window.wattline_parts, {
    Drawing: Drawing, Later: Later,
  });
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.wattline = Object.assign({}, window.dash_clientside.wattline, {
    draw: draw,
  });
})();
