import { expect, test } from "vitest";
import type { Segment } from "../../src/bindings";
import { endOf, isComplete, nextSegment, overHole, segmentAt, speedAfter, toDrop } from "../../src/lib/film";

const segments: Segment[] = Array.from({ length: 100 }, (_, i) => ({ init: "a", index: i + 1, from: i * 4, to: i * 4 + 4, offset: 0, bytes: 1 }));
const had = (...indices: number[]) => new Set(indices);
const indices = (all: Segment[]) => all.map(({ index }) => index);

test("the segment that plays is found, also at edges, in holes and at the end", () => {
  expect([0, 3.99, 4, 399.9, 1000].map((at) => segmentAt(segments, at))).toEqual([0, 0, 1, 99, 99]);
  const holed = segments.filter(({ index }) => index !== 2);
  expect(holed[segmentAt(holed, 5)]?.index).toBe(3);
});

test("what plays is fetched first, then what comes, and no more than a window", () => {
  expect(nextSegment(segments, had(), 10)?.index).toBe(3);
  expect(nextSegment(segments, had(3, 4), 10)?.index).toBe(5);
  expect(nextSegment(segments, had(3, 4, 5, 6, 7, 8, 9), 10)).toBeNull();
  expect(nextSegment([], had(), 10)).toBeNull();
});

test("what lies far away is let go, on both sides", () => {
  expect(indices(toDrop(segments, had(1, 2, 24, 25, 26, 60), 100))).toEqual([1, 2, 60]);
  expect(toDrop(segments, had(), 100)).toEqual([]);
});

test("all is there only with the last one", () => {
  expect(isComplete(segments, had(99, 100), 393)).toBe(true);
  expect(isComplete(segments, had(99), 393)).toBe(false);
  expect(isComplete([], had(), 0)).toBe(true);
});

test("small holes are jumped over, large ones wait for their chunk", () => {
  const ranges = [{ from: 0, to: 4 }, { from: 4.2, to: 8 }];
  expect(overHole(ranges, 2)).toBeNull();
  expect(overHole(ranges, 4)).toBeCloseTo(4.201);
  expect(overHole(ranges, 3.995)).toBeCloseTo(4.201);
  expect(overHole([{ from: 6, to: 8 }], 4)).toBeNull();
});

test("speeds go up and down and stop at their ends", () => {
  expect([speedAfter(1, 1), speedAfter(1, -1), speedAfter(4, 1), speedAfter(0.25, -1), speedAfter(1.1, 1)]).toEqual([1.25, 0.75, 4, 0.25, 1.5]);
});

test("a film ends with its longest track", () => {
  expect(endOf([{ segments }, { segments: [] }])).toBe(400);
});
