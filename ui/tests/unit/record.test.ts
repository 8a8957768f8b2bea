import { expect, test } from "vitest";
import type { Device, Setting } from "../../src/bindings";
import { cameraAspect, drawingOf, eraserRadius, mainSize, pointFrom, thinned, tools } from "../../src/lib/drawing";
import { beside } from "../../src/lib/float";
import { controlFor, grouped } from "../../src/lib/groups";
import { combination } from "../../src/lib/keys";
import { decibels, lit, tone } from "../../src/lib/levels";
import { newestOnly } from "../../src/lib/loop";
import { fileName, withEnding } from "../../src/lib/names";
import { choiceFrom, isEmpty, millis, notesFrom, planFrom, sizeInBytes, textOf } from "../../src/lib/plan";
import { columnsIn, pageSize, pagesFor, stepped, visible } from "../../src/lib/shelf";

const said = { title: "", description: "", metadata: {} };
const screen: Device = { id: "x11:screen", kind: "screen", name: "Screen", is_default: true, size: [2560, 1440], formats: [] };
const camera: Device = { id: "v4l:0", kind: "camera", name: "Camera", is_default: true, size: [640, 480], formats: ["1280x720@30 MJPG"] };
const hd = { width: 1920, height: 1080 };

test("a plan is what the settings say", () => {
  const plan = planFrom({ screen: "default", camera: "v4l:0", "camera-format": "best", mic: "off", "system-audio": "off", mode: "both", preset: "1080p", fps: "60", chunk: "2s", keys: "off" }, said);
  expect(plan).toMatchObject({ screen: "default", camera: { id: "v4l:0" }, camera_format: null, microphone: "off", mode: "both", quality: { height: 1080 }, fps: 60, chunk_ms: 2000, keys: false, synthetic: false });
  expect(planFrom({ camera: "synthetic:camera" }, said).synthetic).toBe(true);
  expect(isEmpty(planFrom({ screen: "off", mic: "off" }, said))).toBe(true);
  for (const text of ["default", "off", "x11:region:1,2,3x4"]) expect(textOf(choiceFrom(text))).toBe(text);
});

test("notes are remembered, and nonsense is none", () => {
  expect(notesFrom('{"Team":"Finance","n":1}')).toEqual({ Team: "Finance" });
  expect(["", "{", "null", "[]", "7"].map(notesFrom)).toEqual([{}, {}, {}, {}, {}]);
});

test("durations and sizes are read as the engine reads them", () => {
  expect(["10s", "250ms", "1.5m", "2h", "3", "7d", "soon"].map(millis)).toEqual([10_000, 250, 90_000, 7_200_000, 3000, 604_800_000, null]);
  expect(["500MB", "5 GB", "7", "five"].map(sizeInBytes)).toEqual([5e8, 5e9, 7, null]);
});

test("drawings are in pixels of the main picture: a region's, the screen's, or the camera's alone", () => {
  const plan = (values: Record<string, string>) => planFrom(values, said);
  expect(mainSize(plan({}), [screen, camera])).toEqual({ width: 2560, height: 1440 });
  expect(mainSize(plan({ screen: "x11:region:10,20,640x360" }), [screen])).toEqual({ width: 640, height: 360 });
  expect(mainSize(plan({ screen: "off", camera: "default" }), [screen, camera])).toEqual({ width: 1280, height: 720 });
  expect(mainSize(plan({ screen: "off" }), [screen, camera])).toBeNull();
  expect(cameraAspect(plan({ camera: "default", "camera-format": "640x480@30" }), [screen, camera])).toBeCloseTo(4 / 3);
  expect(pointFrom(0.5, 2, hd)).toEqual({ x: 960, y: 1079 });
});

test("every tool draws what the engine takes, and nothing where nothing is seen", () => {
  const style = { colour: "red", width: "medium", fades: true } as const;
  const points = [{ x: 1, y: 1 }, { x: 5, y: 5 }, { x: 9, y: 9 }];
  const draw = (tool: "pen" | "arrow" | "text", at: typeof points, text = "") => drawingOf(7, tool, at, text, style, hd);
  expect(draw("pen", points)?.points).toHaveLength(3);
  expect(draw("arrow", points)?.points).toEqual([points[0], points[2]]);
  expect(draw("arrow", points.slice(0, 1))).toBeNull();
  expect(draw("text", points, "Look")).toMatchObject({ tool: { text: "Look" }, points: [points[0]], width: 49, fade_after_ms: 3000 });
  expect(draw("text", points, "  ")).toBeNull();
  expect(draw("pen", [])).toBeNull();
  expect(drawingOf(1, "pen", points, "", { ...style, width: "thick" }, { width: 9e4, height: 9e4 })?.width).toBe(500);
  const many = Array.from({ length: 25_000 }, (_, x) => ({ x, y: 0 }));
  expect([thinned(many).length, thinned(many)[0]?.x, thinned(many).at(-1)?.x]).toEqual([10_000, 0, 24_999]);
  expect(eraserRadius("thin", { width: 2, height: 2 })).toBeGreaterThan(0);
  expect(new Set(tools.map(([, key]) => key)).size).toBe(tools.length);
});

test("a meter is dark in silence and full at full scale", () => {
  expect([lit(null), lit(-120), lit(-60), lit(-30), lit(0), lit(3)]).toEqual([0, 0, 0, 0.5, 1, 1]);
  expect([tone(null), tone(-70), tone(-20), tone(-3)]).toEqual(["quiet", "quiet", "good", "hot"]);
  expect(decibels(-12.4)).toBe("−12 dB");
});

test("ten thousand recordings are a screenful", () => {
  const seen = visible(2500, 260, 130_000, 700);
  expect(seen.last - seen.first).toBeLessThan(12);
  expect(seen.before + (seen.last - seen.first) * 260 + seen.after).toBe(2500 * 260);
  expect(visible(0, 260, 0, 700)).toEqual({ first: 0, last: 0, before: 0, after: 0 });
  expect(pagesFor(0, 24, 10_000)).toEqual([0]);
  expect(pagesFor(pageSize - 1, pageSize + 1, 10_000)).toEqual([0, 1]);
  expect(pagesFor(0, 0, 10)).toEqual([]);
  expect([columnsIn(932, 236, 16), columnsIn(100, 236, 16)]).toEqual([3, 1]);
  expect([stepped(0, "ArrowLeft", 3, 9), stepped(4, "ArrowUp", 3, 9), stepped(8, "ArrowDown", 3, 9), stepped(3, "End", 3, 9)]).toEqual([0, 1, 8, 8]);
});

test("files have names that every system takes", () => {
  expect(fileName('a/b: "c"?', "Untitled", "mp4")).toBe("a b c.mp4");
  expect(fileName("..", "Untitled", "gif")).toBe("Untitled.gif");
  expect(fileName("x".repeat(300), "Untitled", "m4a")).toHaveLength(124);
  expect([withEnding("/a/B.MP4", "mp4"), withEnding("/a/b", "mp4")]).toEqual(["/a/B.MP4", "/a/b.mp4"]);
});

test("settings are in groups, and one that nobody knows is not lost", () => {
  const setting = (key: string, value = "x", choices: string[] = []): Setting => ({ key, value, choices, chosen: false, help: "" });
  const groups = grouped([setting("warp-speed"), setting("fps", "30"), setting("preset", "720p"), setting("screen-token"), setting("hotkey-mark"), setting("theme")]);
  expect(groups.map(([name, all]) => [name, all.map(({ key }) => key)])).toEqual([["picture", ["preset", "fps"]], ["other", ["warp-speed"]]]);
  expect(controlFor(setting("autostart", "off", ["on", "off"]))).toEqual({ kind: "switch" });
  expect(controlFor(setting("camera-mirror", "on"))).toEqual({ kind: "switch" });
  expect(controlFor(setting("trash-keep", "12h", ["1d", "7d"]))).toEqual({ kind: "choice", values: ["12h", "1d", "7d"], open: false });
  expect(controlFor(setting("upload-hours", "always", ["always", "22:00-06:00"]))).toMatchObject({ kind: "choice", open: true });
  expect(controlFor(setting("camera-size", "25%"))).toMatchObject({ kind: "share", low: 5 });
  for (const value of ["default", "off", "mic:1"]) expect(controlFor(setting("mic", value))).toMatchObject({ kind: "device" });
  expect(controlFor(setting("disk-reserve", "500MB"))).toEqual({ kind: "text" });
});

test("keys are named by what is on them, and none is taken alone", () => {
  const press = (key: string, code: string, held: Partial<Record<"ctrlKey" | "altKey" | "shiftKey" | "metaKey", boolean>> = {}) =>
    combination({ key, code, ctrlKey: false, altKey: false, shiftKey: false, metaKey: false, ...held });
  expect(press("R", "KeyR", { ctrlKey: true, shiftKey: true })).toBe("Ctrl+Shift+R");
  expect(press("å", "KeyA", { altKey: true })).toBe("Alt+A");
  expect(press("Control", "ControlLeft", { ctrlKey: true })).toBeNull();
  expect(press("r", "KeyR")).toBeNull();
  expect(press("F9", "F9")).toBe("F9");
});

test("panels open where they fit", () => {
  const room = { width: 1000, height: 700 };
  const button = (top: number) => ({ left: 900, right: 960, top, bottom: top + 30 });
  expect(beside(button(600), { width: 300, height: 200 }, room, "down", "end")).toEqual({ left: 660, top: 394 });
  expect(beside(button(20), { width: 300, height: 200 }, room, "up", "end").top).toBe(56);
  expect(beside(button(300), { width: 300, height: 690 }, room, "up", "start").left).toBe(694);
});

test("of what is asked for meanwhile only the newest is done", async () => {
  const done: number[] = [];
  const ends: (() => void)[] = [];
  const ask = newestOnly((n: number) => {
    done.push(n);
    return new Promise<void>((resolve) => ends.push(resolve));
  }, 0);
  [1, 2, 3].forEach(ask);
  expect(done).toEqual([1]);
  ends[0]?.();
  await expect.poll(() => done).toEqual([1, 3]);
});
