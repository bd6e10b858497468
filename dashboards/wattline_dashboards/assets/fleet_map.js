// The map of the fleet: one cell per device, drawn on a canvas. The server says where each stands
// (wattline_dashboards/figures/fleet_map.py) and, with every tick, a byte of each; colours are the
// style sheet's. Only cells whose byte changed are drawn again.
(function () {
  const UNKNOWN = 255;
  const TICK_LENGTH_MS = 60;
  const SMALL = 12;

  function bytes(text) {
    return Uint8Array.from(atob(text || ""), function (letter) {
      return letter.charCodeAt(0);
    });
  }

  function blended(ramp, place) {
    const at = place * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    const parts = [1, 3, 5].map(function (start) {
      const ends = [ramp[low], ramp[low + 1]].map(function (colour) {
        return parseInt(colour.slice(start, start + 2), 16);
      });
      return Math.round(ends[0] + (ends[1] - ends[0]) * (at - low));
    });
    return "rgb(" + parts.join(",") + ")";
  }

  // The ground's colours, and one for each byte; `hatched` says which mean that nothing is known.
  function inks(plan) {
    const style = window.getComputedStyle(document.documentElement);
    const of = function (name) {
      return style.getPropertyValue("--" + name).trim();
    };
    const colours = [];
    const hatched = [];
    plan.accounts.forEach(function (account, code) {
      colours[code] = of(account);
      hatched[code] = plan.hatched.includes(account);
    });
    if (plan.levels) {
      const ramp = of("ramp").split(",").map(function (colour) {
        return colour.trim();
      });
      for (let level = 0; level <= plan.levels; level += 1) {
        colours[level] = blended(ramp, level / plan.levels);
        hatched[level] = false;
      }
    }
    colours[UNKNOWN] = of("neutral");
    hatched[UNKNOWN] = true;
    const names = ["background", "text", "muted", "mark", "font"];
    return Object.assign({ colours: colours, hatched: hatched }, Object.fromEntries(
      names.map(function (name) {
        return [name, of(name)];
      })
    ));
  }

  // What a plan says, unpacked once: column and row of each device, and the device in each cell.
  function unpacked(plan) {
    const packed = bytes(plan.spots);
    const spots = new Uint16Array(packed.buffer, 0, packed.length / 2);
    const standing = new Int32Array(plan.rows * plan.columns).fill(-1);
    for (let device = 0; device * 2 < spots.length; device += 1) {
      standing[spots[2 * device] * plan.columns + spots[2 * device + 1]] = device;
    }
    return { spots: spots, standing: standing, count: spots.length / 2 };
  }

  function strokes(context, x, y, edge, wide) {
    const offsets = wide ? [-0.5, 0, 0.5] : [0];
    offsets.forEach(function (offset) {
      const from = Math.max(0, offset) * edge;
      const to = Math.min(1, 1 + offset) * edge;
      context.moveTo(x + from, y + edge * (1 + offset) - from);
      context.lineTo(x + to, y + edge * (1 + offset) - to);
    });
  }

  // Draws cells `at` of the plan; names beside them where `whole`.
  function paint(context, scale, plan, laid, ink, cells, found, at, whole) {
    const pixel = function (place) {
      return Math.round(place * scale);
    };
    const edge = pixel(plan.cell - plan.gap);
    const step = pixel(plan.cell);
    const unknown = [];
    const passed = [];
    let last = null;
    at.forEach(function (device) {
      const y = laid.spots[2 * device] * step;
      const x = laid.spots[2 * device + 1] * step;
      const colour = ink.colours[cells[device]];
      if (colour !== last) {
        context.fillStyle = colour;
        last = colour;
      }
      context.fillRect(x, y, edge, edge);
      if (ink.hatched[cells[device]]) {
        unknown.push(x, y);
      }
      if (found.length && !found[device]) {
        passed.push(x, y);
      }
    });
    if (unknown.length) {
      context.strokeStyle = ink.mark;
      context.lineWidth = Math.max(1, scale);
      context.save();
      context.beginPath();
      for (let place = 0; place < unknown.length; place += 2) {
        context.rect(unknown[place], unknown[place + 1], edge, edge);
      }
      context.clip();
      context.beginPath();
      for (let place = 0; place < unknown.length; place += 2) {
        strokes(context, unknown[place], unknown[place + 1], edge, plan.cell >= 14);
      }
      context.stroke();
      context.restore();
    }
    if (passed.length) {
      context.fillStyle = ink.background;
      context.globalAlpha = 0.84;
      for (let place = 0; place < passed.length; place += 2) {
        context.fillRect(passed[place], passed[place + 1], edge, edge);
      }
      context.globalAlpha = 1;
    }
    if (whole) {
      context.textBaseline = "middle";
      context.font = pixel(SMALL) + "px " + ink.font;
      [["left", ink.text, plan.racks], ["right", ink.muted, plan.nodes]].forEach(function (kind) {
        context.textAlign = kind[0];
        context.fillStyle = kind[1];
        kind[2].forEach(function (label) {
          context.fillText(label[0], (label[2] + 0.5) * step, (label[1] + 0.5) * step);
        });
      });
    }
  }

  function everyone(count) {
    return Array.from({ length: count }, function (_, device) {
      return device;
    });
  }

  // A map on its canvas: keeps what is drawn, so that the next tick draws the difference.
  function Drawn(canvas) {
    const map = this;
    let plan = null;
    let laid = null;
    let ink = null;
    let scale = 0;
    let cells = new Uint8Array();
    let found = new Uint8Array();

    function redraw() {
      const step = Math.round(plan.cell * scale);
      canvas.width = Math.max(plan.columns * step, 1);
      canvas.height = Math.max(plan.rows * step, 1);
      canvas.style.width = plan.columns * plan.cell + "px";
      canvas.style.height = plan.rows * plan.cell + "px";
      ink = inks(plan);
      paint(canvas.getContext("2d"), scale, plan, laid, ink, cells, found,
        everyone(laid.count), true);
    }

    this.show = function (wanted, byteText, foundText) {
      const fresh = bytes(byteText);
      const sought = bytes(foundText);
      const changed = wanted !== plan || scale !== (window.devicePixelRatio || 1);
      const before = { cells: cells, found: found };
      if (changed) {
        plan = wanted;
        scale = window.devicePixelRatio || 1;
        laid = unpacked(plan);
      }
      if (fresh.length !== laid.count) {
        return; // of another plan: the two come together with the next answer
      }
      cells = fresh;
      found = sought;
      if (changed || before.cells.length !== cells.length ||
          before.found.length !== found.length) {
        redraw();
      } else {
        const different = everyone(laid.count).filter(function (device) {
          return before.cells[device] !== cells[device] || before.found[device] !== found[device];
        });
        paint(canvas.getContext("2d"), scale, plan, laid, ink, cells, found, different, false);
      }
      canvas.dataset.drawn = laid.count;
    };

    this.again = function () {
      if (plan !== null && cells.length === laid.count) {
        scale = window.devicePixelRatio || 1;
        redraw();
      }
    };

    this.sharpen = function () {
      if (scale !== (window.devicePixelRatio || 1)) {
        map.again();
      }
    };

    // Which device is at a place on the canvas, in its own pixels; -1 where there is none.
    this.at = function (x, y) {
      if (plan === null) {
        return -1;
      }
      const column = Math.floor(x / plan.cell);
      const row = Math.floor(y / plan.cell);
      const inside = column >= 0 && row >= 0 && column < plan.columns && row < plan.rows;
      return inside ? laid.standing[row * plan.columns + column] : -1;
    };

    this.box = function (device) {
      const y = laid.spots[2 * device] * plan.cell;
      const x = laid.spots[2 * device + 1] * plan.cell;
      const edge = plan.cell - plan.gap;
      return { x0: x, y0: y, x1: x + edge, y1: y + edge };
    };

    this.said = function (device) {
      return { place: device, plan: plan.key, box: this.box(device), left: this.box(device).x0 >
        plan.columns * plan.cell / 2 };
    };

    // The map as a picture of its own, with its title, its legend and the ground it stands on.
    this.picture = function (title, legend) {
      const room = 24 * scale;
      const copy = document.createElement("canvas");
      const context = copy.getContext("2d");
      const font = function (size, weight) {
        return weight + " " + Math.round(size * scale) + "px " + ink.font;
      };
      context.font = font(SMALL, 400);
      const items = legend.map(function (item) {
        return Object.assign({ width: context.measureText(item.text).width }, item);
      });
      const most = Math.max(canvas.width, 640 * scale);
      const lines = [[]];
      let used = 0;
      items.forEach(function (item) {
        const wide = item.width + 40 * scale;
        if (used && used + wide > most) {
          lines.push([]);
          used = 0;
        }
        lines[lines.length - 1].push(Object.assign({ x: used }, item));
        used += wide;
      });
      copy.width = most + 2 * room;
      const head = room + (28 + 20 * lines.length + 12) * scale;
      copy.height = head + canvas.height + room;
      context.fillStyle = ink.background;
      context.fillRect(0, 0, copy.width, copy.height);
      context.textBaseline = "middle";
      context.fillStyle = ink.text;
      context.font = font(16, 600);
      context.fillText(title, room, room + 8 * scale);
      context.font = font(SMALL, 400);
      lines.forEach(function (line, number) {
        const y = room + (36 + 20 * number) * scale;
        line.forEach(function (item) {
          const x = room + item.x;
          if (item.colour) {
            context.fillStyle = item.colour;
            context.fillRect(x, y - 6 * scale, 12 * scale, 12 * scale);
          }
          if (item.hatched) {
            context.strokeStyle = ink.mark;
            context.lineWidth = scale;
            context.beginPath();
            strokes(context, x, y - 6 * scale, 12 * scale, false);
            context.stroke();
          }
          context.fillStyle = ink.text;
          context.fillText(item.text, x + (item.colour ? 18 * scale : 0), y);
        });
      });
      context.drawImage(canvas, room, head);
      return copy;
    };
  }

  // What the legend beside the map says: its swatches with their texts, or both ends of the ramp.
  function legend() {
    return Array.from(document.querySelectorAll("#fleet-legend .legend-item"), function (item) {
      const swatch = item.querySelector(".swatch");
      const style = swatch && window.getComputedStyle(swatch);
      return {
        text: item.innerText.replace(/\s+/g, item.querySelector(".ramp") ? " … " : " ").trim(),
        colour: style ? style.backgroundColor : null,
        hatched: Boolean(style && style.backgroundImage !== "none"),
      };
    });
  }

  const maps = new Map(); // by the id of the component

  function DeviceMap(given) {
    const react = window.React;
    const place = react.useRef(null);
    const drawn = react.useRef(null);
    const told = react.useRef({ device: -1, timer: null, count: 0 });
    const props = react.useRef(given);
    props.current = given;

    react.useLayoutEffect(function () {
      const map = new Drawn(place.current);
      drawn.current = map;
      maps.set(given.id, map);
      const again = function () {
        map.again();
      };
      const themes = new MutationObserver(again);
      themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
      const dark = window.matchMedia("(prefers-color-scheme: dark)");
      dark.addEventListener("change", again);
      window.addEventListener("resize", map.sharpen); // a window on another screen
      return function () {
        themes.disconnect();
        dark.removeEventListener("change", again);
        window.removeEventListener("resize", map.sharpen);
        maps.delete(given.id);
      };
    }, []);

    react.useLayoutEffect(function () {
      if (given.plan) {
        drawn.current.show(given.plan, given.cells, given.found);
      }
    }, [given.plan, given.cells, given.found]);

    function under(event) {
      return drawn.current.at(event.nativeEvent.offsetX, event.nativeEvent.offsetY);
    }

    function point(device) {
      const state = told.current;
      if (device === state.device) {
        return;
      }
      state.device = device;
      clearTimeout(state.timer);
      // Not every cell that the pointer crosses on its way is asked for.
      state.timer = setTimeout(function () {
        const said = device < 0 ? null : drawn.current.said(device);
        props.current.setProps({ pointed: said });
      }, TICK_LENGTH_MS);
    }

    const plan = given.plan || { title: "", names: "" };
    return react.createElement("div", { id: given.id, className: "device-map" },
      react.createElement("canvas", {
        ref: place,
        role: "img",
        width: 1,
        height: 1,
        "aria-label": plan.title,
        onPointerMove: function (event) {
          const device = under(event);
          event.currentTarget.style.cursor = device < 0 ? "" : "pointer";
          point(device);
        },
        onPointerLeave: function () {
          point(-1);
        },
        onClick: function (event) {
          const device = under(event);
          if (device >= 0) {
            told.current.count += 1;
            props.current.setProps({ pressed: Object.assign(
              { count: told.current.count }, drawn.current.said(device)) });
          }
        },
      }, plan.names)
    );
  }

  window.wattline_parts = Object.assign({}, window.wattline_parts, { DeviceMap: DeviceMap });
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.wattline = Object.assign({}, window.dash_clientside.wattline, {
    saveMap: function (id) {
      const map = maps.get(id);
      const canvas = document.querySelector("#" + CSS.escape(id) + " canvas[data-drawn]");
      if (map === undefined || canvas === null) {
        return;
      }
      map.picture(canvas.getAttribute("aria-label"), legend()).toBlob(function (blob) {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = id + ".png";
        link.click();
        setTimeout(function () {
          URL.revokeObjectURL(link.href);
        }, 60000);
      });
    },
  });
})();
