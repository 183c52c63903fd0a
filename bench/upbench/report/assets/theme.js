// The chart library's looks, taken from the page's own colours, in which light and dark differ.

const shade = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Okabe and Ito's colours, which people who see fewer colours tell apart, black made to suit the paper. */
const hues = () => ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", shade("soft"), "#8a6fd1"];

/** The configuration of a chart. */
export function theme() {
  const [ink, soft, line] = [shade("ink"), shade("soft"), shade("line")];
  return {
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    view: { stroke: "transparent" },
    axis: { labelColor: ink, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12 },
    legend: { labelColor: ink, titleColor: soft, titleFontWeight: "normal", labelLimit: 160, orient: "top", direction: "horizontal", columns: innerWidth < 600 ? 2 : 6 },
    range: { category: hues() },
  };
}

/** Call back when the reader's system turns from light to dark or back. */
export const onTheme = (listener) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", listener);
