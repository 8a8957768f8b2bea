// Selections and splits on a timeline. Pure; all in milliseconds of playing time.

export type Selection = { from: number; to: number };

/** Shorter than this is nothing to export. */
export const selectionMin = 100;

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** A selection that begins here; its end goes on where it was, or to the film's end. */
export function beginAt(selection: Selection | null, at: number, duration: number): Selection {
  const from = clamp(at, 0, Math.max(0, duration - selectionMin));
  const to = selection && selection.to > from + selectionMin ? selection.to : duration;
  return { from, to };
}

/** A selection that ends here. */
export function endAt(selection: Selection | null, at: number, duration: number): Selection {
  const to = clamp(at, Math.min(selectionMin, duration), duration);
  const from = selection && selection.from < to - selectionMin ? selection.from : 0;
  return { from, to };
}

/** A split more, in order; none twice, and none at the ends. */
export function splitAt(splits: number[], at: number, duration: number): number[] {
  const near = [0, ...splits, duration].some((split) => Math.abs(split - at) < selectionMin);
  return near ? splits : [...splits, Math.round(at)].sort((a, b) => a - b);
}

/** The pieces between the splits. */
export function pieces(splits: number[], duration: number): Selection[] {
  const edges = [0, ...splits, duration];
  return edges.slice(1).map((to, i) => ({ from: edges[i]!, to }));
}

/** The piece in which this instant lies. */
export function pieceAt(splits: number[], duration: number, at: number): Selection {
  const all = pieces(splits, duration);
  return all.find(({ to }) => at < to) ?? all.at(-1)!;
}

/** `talk-2.mp4` of `talk.mp4`. */
export function numbered(path: string, number: number): string {
  const dot = path.lastIndexOf(".");
  const ends = dot > path.lastIndexOf("/") && dot > path.lastIndexOf("\\");
  return ends ? `${path.slice(0, dot)}-${number}${path.slice(dot)}` : `${path}-${number}`;
}

/** Distances of ticks that leave at least `room` pixels between two, in milliseconds. */
export function tickStep(duration: number, width: number, room = 84): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400].map((s) => s * 1000);
  const least = width > 0 ? (duration * room) / width : duration;
  return steps.find((step) => step >= least) ?? 21_600_000;
}
