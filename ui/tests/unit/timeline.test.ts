import { expect, test } from "vitest";
import { beginAt, endAt, numbered, pieceAt, pieces, splitAt, tickStep } from "../../src/lib/timeline";

const minute = 60_000;

test("a selection has a beginning before its end, whatever is set first", () => {
  expect(beginAt(null, 10_000, minute)).toEqual({ from: 10_000, to: minute });
  expect(endAt(null, 10_000, minute)).toEqual({ from: 0, to: 10_000 });
  expect(beginAt({ from: 0, to: 5000 }, 10_000, minute)).toEqual({ from: 10_000, to: minute });
  expect(endAt({ from: 20_000, to: 30_000 }, 10_000, minute)).toEqual({ from: 0, to: 10_000 });
  expect(beginAt(null, 2 * minute, minute).from).toBeLessThan(minute);
  expect(endAt(null, -5, minute).to).toBeGreaterThan(0);
});

test("splits are in order, none twice, none at the ends", () => {
  const splits = [30_000, 10_000, 10_050, 0, minute].reduce((all, at) => splitAt(all, at, minute), [] as number[]);
  expect(splits).toEqual([10_000, 30_000]);
  expect(pieces(splits, minute)).toEqual([{ from: 0, to: 10_000 }, { from: 10_000, to: 30_000 }, { from: 30_000, to: minute }]);
  expect(pieceAt(splits, minute, 10_000)).toEqual({ from: 10_000, to: 30_000 });
  expect(pieceAt(splits, minute, minute)).toEqual({ from: 30_000, to: minute });
});

test("pieces are numbered before the ending, and dots in folders are none", () => {
  expect(["/a/b.mp4", "/a.b/c", "C:\\x.y\\z.mp4"].map((path) => numbered(path, 2))).toEqual(["/a/b-2.mp4", "/a.b/c-2", "C:\\x.y\\z-2.mp4"]);
});

test("ticks leave room for their words", () => {
  for (const duration of [5000, minute, 3 * 3_600_000]) {
    for (const width of [300, 1000]) expect((tickStep(duration, width) / duration) * width).toBeGreaterThanOrEqual(84);
  }
});
