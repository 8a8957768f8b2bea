// Where the camera lies in the picture, and what dragging it means. Pure. The same geometry as `model::Layout`, but for
// rounding to even pixels: the engine draws, this only says where handles go.

import type { Inset } from "../bindings";

export type Corner = "top-left" | "top-right" | "bottom-left" | "bottom-right";
export type Box = { left: number; top: number; width: number; height: number };

/** Between the camera and the edges, in heights of the picture. */
const margin = 0.03;
/** Nearer than this to a corner's place, in heights of the picture, it snaps. */
const snapWithin = 0.06;
export const sizeMin = 0.05;
export const sizeMax = 1;

const places: Record<Corner, [number, number]> = {
  "top-left": [0, 0],
  "top-right": [1, 0],
  "bottom-left": [0, 1],
  "bottom-right": [1, 1],
};
export const corners = Object.keys(places) as Corner[];

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** The camera's shape, width by height: a circle is square. */
export const aspectOf = (inset: Inset, camera: number) => (inset.shape === "circle" ? 1 : camera);

/** Its place in shares of the picture. `picture` and `camera` are widths by heights. */
export function boxOf(inset: Inset, picture: number, camera: number): Box {
  const aspect = aspectOf(inset, camera);
  // In heights of the picture first, since a share of the width is longer than one of the height.
  let height = clamp(inset.size, sizeMin, sizeMax);
  let width = height * aspect;
  const fits = Math.min(1, picture / width);
  [width, height] = [width * fits, height * fits];
  const start = (share: number, side: number, of: number) => {
    const most = of - side;
    const edge = Math.min(margin, most / 2);
    return clamp(share * of - side / 2, edge, most - edge);
  };
  return {
    left: start(inset.x, width, picture) / picture,
    top: start(inset.y, height, 1),
    width: width / picture,
    height,
  };
}

/** The corner that it lies in, if any. */
export function cornerOf(inset: Inset, picture: number, camera: number): Corner | null {
  const box = boxOf(inset, picture, camera);
  const near = (corner: Corner) => {
    const there = boxOf({ ...inset, ...at(corner) }, picture, camera);
    return Math.abs(there.left - box.left) < 0.002 && Math.abs(there.top - box.top) < 0.002;
  };
  return corners.find(near) ?? null;
}

/** The middle that puts it into this corner. */
export const at = (corner: Corner): { x: number; y: number } => ({ x: places[corner][0], y: places[corner][1] });

/** Moved by shares of the picture. Snaps into a corner that is near, unless `free`. */
export function moved(inset: Inset, dx: number, dy: number, picture: number, camera: number, free: boolean): Inset {
  const box = boxOf(inset, picture, camera);
  const x = clamp(box.left + box.width / 2 + dx, 0, 1);
  const y = clamp(box.top + box.height / 2 + dy, 0, 1);
  const next = { ...inset, x, y };
  if (free) return next;
  const now = boxOf(next, picture, camera);
  const distance = (corner: Corner) => {
    const there = boxOf({ ...next, ...at(corner) }, picture, camera);
    return Math.hypot((there.left - now.left) * picture, there.top - now.top);
  };
  const nearest = corners.reduce((best, corner) => (distance(corner) < distance(best) ? corner : best));
  return distance(nearest) <= snapWithin ? { ...next, ...at(nearest) } : next;
}

/** Resized by pulling a corner, away from the one that lies opposite: `dy` in heights of the picture, growing if positive. */
export function resized(inset: Inset, dy: number): Inset {
  return { ...inset, size: clamp(Math.round((inset.size + dy) * 1000) / 1000, sizeMin, sizeMax) };
}

const percent = (share: number) => `${Math.round(share * 1000) / 10}%`;
const onOff = (is: boolean) => (is ? "on" : "off");

/** What the settings call it: key and value of everything that differs between the two. */
export function settingsOf(before: Inset, after: Inset): [string, string][] {
  const corner = corners.find((name) => after.x === at(name).x && after.y === at(name).y);
  const all: [string, boolean, string][] = [
    ["camera-place", before.x === after.x && before.y === after.y, corner ?? `${percent(after.x)},${percent(after.y)}`],
    ["camera-size", before.size === after.size, percent(after.size)],
    ["camera-shape", before.shape === after.shape, after.shape],
    ["camera-mirror", before.mirrored === after.mirrored, onOff(after.mirrored)],
    ["camera-shown", before.shown === after.shown, onOff(after.shown)],
  ];
  return all.filter(([, same]) => !same).map(([key, , value]) => [key, value]);
}
