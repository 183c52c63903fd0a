// A Vega-Lite chart in a place of the page: drawn when it comes into sight, fed again when its data change.

import { vegaEmbed } from "vega-embed";
import { theme } from "page/theme";

/** A chart in an element. ``point`` is called with the datum under the pointer and where, or with null. */
export function chartIn(place, point = () => {}) {
  let view = null;
  let wanted = null;
  let seen = false;
  let drawing = Promise.resolve();

  async function draw() {
    const { spec, values, height } = wanted;
    const made = await vegaEmbed(place, { ...spec, width: "container", height, data: { name: "table", values } }, {
  actions: false, renderer: "svg", config: theme(), tooltip: (handler, event, item, value) => point(value && item.datum, event),
    });
    view?.finalize();
    view = made.view;
  }

  const later = (work) => (drawing = drawing.then(work));
  new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting || seen) return;
    seen = true;
    if (wanted) later(draw);
  }, { rootMargin: "300px" }).observe(place);

  return {
    /** Draw another chart, of so many pixels' height. */
    show(spec, values, height) {
      wanted = { spec, values, height };
      if (seen) later(draw);
    },
    /** Show other data in the same chart. */
    feed(values, height) {
      if (!wanted) return;
      Object.assign(wanted, { values, height });
      if (seen) later(() => view.data("table", wanted.values).height(wanted.height).runAsync());
    },
    /** Draw the same again, as in other colours. */
    again() {
      if (seen && wanted) later(draw);
    },
  };
}
