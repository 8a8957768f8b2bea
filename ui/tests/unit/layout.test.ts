import { expect, test } from "vitest";
import type { Inset } from "../../src/bindings";
import { at, boxOf, cornerOf, corners, moved, resized, settingsOf } from "../../src/lib/layout";

const white = { red: 255, green: 255, blue: 255 };
const inset = (change: Partial<Inset> = {}): Inset => ({ shown: true, x: 1, y: 1, size: 0.25, shape: "circle", border: 0.005, border_color: white, mirrored: true, opacity: 1, ...change });
const [wide, camera] = [16 / 9, 16 / 9];

test("the frame lies where the engine draws the camera", () => {
  // As `model::Layout` places it on 1280 by 720: 1078, 518, 180, 180.
  const box = boxOf(inset(), wide, camera);
  expect(Math.abs(box.left * 1280 - 1078)).toBeLessThan(1.01);
  expect(Math.abs(box.top * 720 - 518)).toBeLessThan(1.01);
  expect([box.width * 1280, box.height * 720]).toEqual([180, 180]);
});

test("it stays in the picture, in every corner, shape and size", () => {
  for (const corner of corners) {
    for (const shape of ["circle", "rounded", "rectangle"] as const) {
      for (const size of [0.05, 0.5, 1]) {
        for (const picture of [wide, 9 / 16, 1]) {
          const box = boxOf(inset({ ...at(corner), shape, size }), picture, camera);
          expect(box.left).toBeGreaterThanOrEqual(-1e-9);
          expect(box.top).toBeGreaterThanOrEqual(-1e-9);
          expect(box.left + box.width).toBeLessThanOrEqual(1 + 1e-9);
          expect(box.top + box.height).toBeLessThanOrEqual(1 + 1e-9);
        }
      }
    }
  }
});

test("near a corner it snaps, unless that is not wanted", () => {
  const dragged = moved(inset(), -0.02, -0.02, wide, camera, false);
  expect([dragged.x, dragged.y]).toEqual([1, 1]);
  expect(cornerOf(moved(inset(), -0.02, -0.02, wide, camera, true), wide, camera)).toBeNull();
  const away = moved(inset(), -0.4, -0.3, wide, camera, false);
  expect(cornerOf(away, wide, camera)).toBeNull();
  expect(away.x).toBeCloseTo((1078 + 90) / 1280 - 0.4, 2);
});

test("a corner is a corner at every size", () => {
  for (const size of [0.1, 0.4]) for (const corner of corners) expect(cornerOf(inset({ size, ...at(corner) }), wide, camera)).toBe(corner);
});

test("it is resized within what the engine takes", () => {
  expect(resized(inset(), 0.1).size).toBe(0.35);
  expect(resized(inset(), -3).size).toBe(0.05);
  expect(resized(inset(), 3).size).toBe(1);
});

test("only what changed becomes a setting, in the engine's words", () => {
  expect(settingsOf(inset(), inset())).toEqual([]);
  expect(settingsOf(inset(), inset({ ...at("top-left"), size: 0.333 }))).toEqual([["camera-place", "top-left"], ["camera-size", "33.3%"]]);
  expect(settingsOf(inset(), inset({ x: 0.2, y: 0.8, shape: "rounded", mirrored: false, shown: false }))).toEqual([
    ["camera-place", "20%,80%"], ["camera-shape", "rounded"], ["camera-mirror", "off"], ["camera-shown", "off"],
  ]);
});
