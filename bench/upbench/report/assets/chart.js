// A Vega-Lite chart in a place of the page: drawn when it comes into sight, fed again when its data change.

import { theme } from "page/theme";

/** A chart in an element. ``point`` is called with the datum under the pointer and where, or with null. */
export function chartIn(place, point = () => {}) {
  let view = null;
  let drawn = {};
  let wanted = null;
  let seen = false;
  let drawing = Promise.resolve();

  async function draw() {
    const { spec, values, height } = wanted;
    // The largest part of the page is read only where a chart is looked at.
    const { vegaEmbed } = await import("vega-embed");
    const made = await vegaEmbed(place, { ...spec, width: "container", height, data: { name: "table", values } }, {
      actions: false, renderer: "svg", config: theme(), tooltip: (handler, event, item, value) => point(value && item.datum, event),
    });
    view?.finalize();
    view = made.view;
  }

  async function catchUp() {
    if (drawn === wanted) return;
    // An axis without a single value has no ends.
    place.hidden = !wanted.values.length;
    if (place.hidden) return;
    const { spec } = drawn;
    drawn = wanted;
    if (spec !== wanted.spec) await draw();
    else await view.data("table", wanted.values).height(wanted.height).runAsync();
  }

  function want(changes) {
    wanted = { ...wanted, ...changes };
    if (seen) drawing = drawing.then(catchUp);
  }

  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || seen) return;
    seen = true;
    if (wanted) want({});
  }, { rootMargin: "300px" }).observe(place.parentElement);

  return {
    /** Draw another chart, of so many pixels' height. */
    show: (spec, values, height) => want({ spec, values, height }),
    /** Show other data in the same chart. */
    feed: (values, height) => wanted && want({ values, height }),
    /** Draw the same again, as in other colours. */
    again: () => wanted && want({ spec: { ...wanted.spec } }),
  };
}
