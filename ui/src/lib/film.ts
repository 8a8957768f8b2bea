// What of a film is kept in the player's memory. Pure: playing time and what is there in, what to fetch or drop out.

import type { Segment } from "../bindings";

/** Seconds. */
export type Range = { from: number; to: number };

/** So much is fetched ahead of the playhead, and so much kept behind it, in seconds. */
export const ahead = 24;
export const behind = 12;
/** A hole that is no longer than this is jumped over. */
const holeMax = 0.5;

/** The segment that plays at this instant; the next one where there is a hole; the last at the end. */
export function segmentAt(segments: Segment[], at: number): number {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (segments[middle]!.to > at) high = middle;
    else low = middle + 1;
  }
  return Math.min(low, segments.length - 1);
}

/** The next segment to append: the first within the window that is not there yet. */
export function nextSegment(segments: Segment[], appended: ReadonlySet<number>, playhead: number): Segment | null {
  if (segments.length === 0) return null;
  for (let i = segmentAt(segments, playhead); i < segments.length; i += 1) {
    const segment = segments[i]!;
    if (segment.from > playhead + ahead) return null;
    if (!appended.has(segment.index)) return segment;
  }
  return null;
}

/** Whether all from the playhead to the end is there, so that the player may be told that no more comes. */
export function isComplete(segments: Segment[], appended: ReadonlySet<number>, playhead: number): boolean {
  return segments.length === 0 || segments.slice(segmentAt(segments, playhead)).every(({ index }) => appended.has(index));
}

/** What lies so far from the playhead that it is let go. Segments are let go whole. */
export function toDrop(segments: Segment[], appended: ReadonlySet<number>, playhead: number): Segment[] {
  const far = ({ from, to }: Segment) => to < playhead - behind || from > playhead + ahead * 2;
  return segments.filter((segment) => appended.has(segment.index) && far(segment));
}

/** Where to go on where nothing is buffered at the playhead but soon after it; none where nothing needs to be done. */
export function overHole(buffered: Range[], playhead: number): number | null {
  const inside = buffered.some(({ from, to }) => from <= playhead && playhead < to - 0.01);
  if (inside) return null;
  const next = buffered.find(({ from }) => from > playhead && from - playhead <= holeMax);
  return next ? next.from + 0.001 : null;
}

/** A film is only as long as its last chunk; a recorder that is still writing may have said less. */
export const endOf = (tracks: { segments: Segment[] }[]) =>
  tracks.reduce((end, { segments }) => Math.max(end, segments.at(-1)?.to ?? 0), 0);

/** The speeds that J, K and L go through. */
export const speeds = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4];

/** The next faster or slower speed. */
export function speedAfter(speed: number, step: 1 | -1): number {
  const now = speeds.findIndex((known) => known >= speed);
  return speeds[Math.min(speeds.length - 1, Math.max(0, (now < 0 ? speeds.length - 1 : now) + step))]!;
}
