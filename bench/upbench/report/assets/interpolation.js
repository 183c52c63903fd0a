// Figures of a case that was not measured, from the triangles and errors of upbench/recommend/form.py.

// Barycentric coordinates; null beside a segment or a point, or in a triangle without an area.
function shares(corners, at, edge) {
  const [[x, y], ...others] = corners.map((corner) => [corner[0] - at[0], corner[1] - at[1]]);
  if (others.length === 0) return Math.max(Math.abs(x), Math.abs(y)) < edge ? [1] : null;
  if (others.length === 1) {
    const along = [others[0][0] - x, others[0][1] - y];
    const length = along[0] ** 2 + along[1] ** 2;
    if (Math.abs(x * along[1] - y * along[0]) > edge * length) return null;
    const share = -(x * along[0] + y * along[1]) / length;
    return [1 - share, share];
  }
  const [[x2, y2], [x3, y3]] = others;
  const parts = [x2 * y3 - x3 * y2, x3 * y - x * y3, x * y2 - x2 * y];
  const area = parts[0] + parts[1] + parts[2];
  return Math.abs(area) < edge ? null : parts.map((part) => part / area);
}

// The height of a surface and the gap between the places around; null outside them.
function predict(surface, at, edge) {
  let best = null;
  for (const simplex of surface.simplices) {
    const found = shares(simplex.map((corner) => surface.places[corner]), at, edge);
    if (found && (!best || Math.min(...found) > Math.min(...best.found))) best = { simplex, found };
  }
  if (!best || Math.min(...best.found) < -edge) return null;
  const used = best.simplex.map((corner, index) => [corner, best.found[index]]).filter(([, share]) => share > edge);
  const places = used.map(([corner]) => surface.places[corner]);
  const gaps = places.flatMap((a) => places.map((b) => Math.hypot(a[0] - b[0], a[1] - b[1])));
  return { height: used.reduce((sum, [corner, share]) => sum + share * surface.heights[corner], 0), gap: Math.max(...gaps) };
}

// {interval, error, factor} as in estimate.py, or a text: why there is no figure.
export function estimate(data, upsampler, quantity, asked) {
  const own = upsampler.cases[asked.key];
  if (own && own[quantity] !== undefined) {
    return typeof own[quantity] === "string" ? own[quantity] : { interval: own[quantity], error: null, factor: 1 };
  }
  if (!own && upsampler.refused) return "unsupported";
  const surface = upsampler.surfaces[quantity];
  if (!surface) return "not measured";
  const predicted = predict(surface, asked.place, data.edge);
  if (!predicted) return "outside";
  if (!surface.error) return "no error";
  const { half_width: halfWidth, tried_gap: tried } = surface.error;
  const half = halfWidth * (tried ? Math.max(1, predicted.gap / tried) ** data.order : 1);
  const back = quantity === "latency" ? Math.exp : (value) => Math.max(0, Math.expm1(value));
  const interval = [predicted.height - half, predicted.height, predicted.height + half].map(back);
  return { interval, error: surface.error, factor: Math.exp(half) };
}
