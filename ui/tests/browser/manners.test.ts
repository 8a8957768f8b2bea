// What people do, and what the engine is asked for then. The engine's replies are canned; films and pictures are real.

import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Command } from "../../src/bindings";
import type { Canned } from "./canned";
import { openPage, openStage, type Stage } from "./stage";

const id = "0193a5e2-7c1d-7000-8000-000000000000";
let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const asked = (page: Page) => page.evaluate(() => (window as unknown as { canned: Canned }).canned.asked);
/** What of all that was asked has this name, oldest first. */
async function saying<T = Record<string, unknown>>(page: Page, name: string): Promise<T[]> {
  const all = await asked(page);
  return all.flatMap((command: Command) => (command === name ? [name as T] : typeof command === "object" && name in command ? [(command as unknown as Record<string, T>)[name]!] : []));
}
const soon = (what: () => Promise<unknown>) => expect.poll(what, { timeout: 10_000 });
const middle = async (page: Page, selector: string) => {
  const box = (await page.locator(selector).boundingBox())!;
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
};

test("the camera is dragged in the picture, and stays where it was put", async () => {
  const page = await openPage(stage, "#/record");
  await page.waitForSelector("[data-testid=stage] img");
  await soon(async () => (await saying(page, "rehearse")).length).toBeGreaterThan(0);
  const from = await middle(page, ".inset");
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(from.x - 300, from.y - 150, { steps: 4 });
  await page.mouse.up();
  await soon(async () => (await saying<{ camera: { x: number; y: number } }>(page, "arrange")).at(-1)?.camera.x).toBeLessThan(0.7);
  await soon(async () => (await saying<{ key: string; value: string }>(page, "set")).map(({ key }) => key)).toEqual(["camera-place"]);
  await page.focus(".inset");
  await page.keyboard.press("1");
  await page.keyboard.press("+");
  await soon(() => saying(page, "set").then((all) => all.slice(1))).toEqual([{ key: "camera-place", value: "top-left" }, { key: "camera-size", value: "27%" }]);
  await page.context().close();
});

test("sources are switched and chosen, and what was chosen comes back", async () => {
  const page = await openPage(stage, "#/record");
  await page.click(".row .choose >> nth=2");
  await page.click("text=Built-in microphone");
  const key = page.locator("[role=switch][aria-label='Record: Microphone']");
  await key.click();
  await key.click();
  await soon(() => saying(page, "set")).toEqual([{ key: "mic", value: "mic:2" }, { key: "mic", value: "off" }, { key: "mic", value: "mic:2" }]);
  await soon(async () => (await saying(page, "rehearse")).at(-1)).toMatchObject({ microphone: { id: "mic:2" }, layout: null });
  await page.context().close();
});

test("nobody is asked for a newer version before that is chosen", async () => {
  const page = await openPage(stage, "#/settings");
  await page.waitForSelector("#setting-updates");
  expect(await page.locator("text=Spool 0.4.0 is available").count()).toBe(0);
  await page.selectOption("#setting-updates", "ask");
  await page.waitForSelector(".row >> text=Spool 0.4.0 is available");
  await page.click("text=Install and start again");
  await page.context().close();
});

test("recording begins after the countdown, with what was said about it", async () => {
  const page = await openPage(stage, "#/record");
  await page.fill("[aria-label=Title]", "Figures");
  await page.selectOption("select >> nth=3", "3");
  await page.click("[data-testid=record]");
  await page.waitForSelector("[role=timer]");
  expect(await saying(page, "begin")).toEqual([]);
  await soon(() => saying(page, "begin").then((all) => all.map(({ title }) => title))).toEqual(["Figures"]);
  await page.context().close();
});

test("what is discarded can be taken back", async () => {
  const page = await openPage(stage, "#/record", { activity: "recording" });
  await page.click("text=Discard");
  await page.click("text=Undo");
  await soon(async () => (await asked(page)).filter((command) => command === "stop" || (typeof command === "object" && ("trash" in command || "restore" in command)))).toHaveLength(3);
  await page.context().close();
});

test("lines are drawn in pixels of the recorded screen", async () => {
  const page = await openPage(stage, "#/record", { activity: "recording" });
  await page.waitForSelector("[data-testid=stage] img");
  await page.click("text=Draw");
  const box = (await page.locator("[data-testid=drawing]").boundingBox())!;
  await page.keyboard.press("a");
  await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.25);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5, { steps: 3 });
  await page.mouse.up();
  await soon(async () => {
    const drawn = (await saying<{ draw: { tool: string; points: { x: number; y: number }[] } }>(page, "annotate")).at(-1)?.draw;
    return drawn && [drawn.tool, ...drawn.points.map(({ x, y }) => [Math.round(x / 10), Math.round(y / 10)])];
  }).toEqual(["arrow", [48, 27], [96, 54]]);
  await page.context().close();
});

test("ten thousand recordings scroll like ten", async () => {
  const page = await openPage(stage, "#/library", { recordings: 10_000 });
  await page.waitForSelector(".card");
  expect(await page.locator(".count").innerText()).toContain("10,000");
  await page.evaluate(() => document.querySelector(".view .scroll")!.scrollTo(0, 1e9));
  await page.waitForSelector("[data-at='9999'] .card");
  expect(await page.locator("li[data-at]").count()).toBeLessThan(60);
  expect((await saying(page, "list")).length).toBeLessThan(8);
  await page.context().close();
});

test("by keys alone: go along, rename, delete, undo", async () => {
  const page = await openPage(stage, "#/library");
  await page.focus("[data-at='0'] a.main");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("F2");
  await page.keyboard.type("Named by keys");
  await page.keyboard.press("Enter");
  await page.waitForSelector("text=Named by keys");
  await page.focus("[data-at='1'] a.main");
  await page.keyboard.press("Delete");
  await page.waitForSelector("text=is in the trash");
  await soon(() => page.locator(".card >> text=Named by keys").count()).toBe(0);
  await page.click("text=Undo");
  await page.waitForSelector(".card >> text=Named by keys");
  await page.context().close();
});

test("the trash is emptied for good, and asks first", async () => {
  const page = await openPage(stage, "#/library");
  for (const title of ["Sprint review", "Lecture 7: spectral methods"]) {
    await page.click(`[aria-label='More for ${title}']`);
    await page.click(".menu >> text=Delete");
    await page.waitForSelector(`text=“${title}” is in the trash`);
  }
  await page.click("a.trash");
  await page.waitForSelector(".card >> text=Sprint review");
  await page.click("text=Empty the trash");
  expect(await saying(page, "delete")).toEqual([]);
  await page.click("text=Really?");
  await page.waitForSelector("text=The trash is empty");
  expect(await saying(page, "delete")).toHaveLength(2);
  await page.context().close();
});

/** A few pixels of the picture that is shown. */
const picture = (page: Page) => page.evaluate(() => {
  const [video, canvas] = [document.querySelector("video")!, new OffscreenCanvas(32, 18)];
  const pen = canvas.getContext("2d")!;
  pen.drawImage(video, 0, 0, 32, 18);
  return Array.from(pen.getImageData(0, 0, 32, 18).data).join();
});
const time = (page: Page) => page.evaluate(() => document.querySelector("video")!.currentTime);
const buffered = (page: Page) => page.evaluate(() => {
  const { buffered: ranges } = document.querySelector("video")!;
  return Array.from({ length: ranges.length }, (_, i) => [ranges.start(i), ranges.end(i)] as const);
});

test("a recording plays from its chunks, moves, and is found exactly", async () => {
  const page = await openPage(stage, `#/player/${id}`);
  await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 2);
  const first = await picture(page);
  await page.click("[data-testid=play]");
  await soon(() => time(page)).toBeGreaterThan(0.5);
  expect(await picture(page)).not.toBe(first);
  await page.keyboard.press("k");
  await page.keyboard.press("End");
  await soon(() => time(page)).toBeGreaterThan(31);
  // What lies far behind has been let go, and what plays is there.
  await soon(async () => (await buffered(page))[0]?.[0] ?? 0).toBeGreaterThan(4);
  await page.keyboard.press("Home");
  await page.waitForFunction(() => !document.querySelector("video")!.seeking && document.querySelector("video")!.currentTime === 0);
  await soon(() => picture(page)).toBe(first);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press(".");
  await soon(() => time(page)).toBeCloseTo(5 + 1 / 30, 3);
  await page.context().close();
});

test("a damaged chunk is left out, and an engine that is away for a moment is waited for", async () => {
  const page = await openPage(stage, "#/record");
  let away = 2;
  await page.route("**/chunk/film/program/0", (route) => ((away -= 1) >= 0 ? route.fulfill({ status: 503, body: "the engine is gone" }) : route.continue()));
  await page.route("**/chunk/film/program/1", (route) => route.fulfill({ status: 500, body: "its bytes are not what was recorded" }));
  await page.goto(`${stage.origin}/#/player/${id}`);
  await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 2);
  await page.waitForSelector("text=Pieces left out");
  await page.click("[data-testid=timeline]", { position: { x: 100, y: 40 } });
  await page.keyboard.press(" ");
  await soon(() => time(page)).toBeGreaterThan(8);
  expect(await page.locator("[role=alert] >> text=cannot be played").count()).toBe(0);
  await page.context().close();
});

test("a selection is exported without encoding it again", async () => {
  const page = await openPage(stage, `#/player/${id}`);
  await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 2);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("i");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("o");
  await page.click("[data-testid=export-selection]");
  await soon(() => saying(page, "export")).toMatchObject([{ id, from_ms: 5000, to_ms: 10_000, no_encode: true, output: "/home/mara/Videos/Sprint review.mp4" }]);
  await page.waitForSelector("text=is ready");
  await page.context().close();
});

test("an engine that was lost comes back with what it recovered", async () => {
  const page = await openPage(stage, "#/record", { activity: "recording" });
  await page.waitForSelector("[data-testid=clock]");
  const say = (state: string) => page.evaluate((which) => (window as unknown as { canned: Canned }).canned.engine(which), state);
  await say("lost");
  await page.waitForSelector("[data-state=lost]");
  await page.evaluate((recovered) => {
    const { canned } = window as unknown as { canned: Canned };
    Object.assign(canned.snapshot, { activity: "idle", recording: null });
    canned.tell({ recovered: { recording: recovered, title: "Sprint review", lost_ms: 1200 } });
  }, id);
  await say("connected");
  await page.waitForSelector("[data-state=recovered]");
  expect(await page.innerText("[data-state=recovered]")).toContain("1.2 s");
  await page.context().close();
});

test("the smallest window shows all of the record view", async () => {
  for (const activity of ["idle", "recording"] as const) {
    const page = await openPage(stage, "#/record", { activity, upload: "sending" }, { width: 720, height: 520 });
    await page.waitForSelector("[data-testid=stage] img");
    for (const selector of ["[data-testid=stage]", activity === "idle" ? "[data-testid=record]" : "[data-testid=stop]"]) {
      const box = (await page.locator(selector).boundingBox())!;
      expect(box.y + box.height, selector).toBeLessThanOrEqual(520);
      expect(box.height, selector).toBeGreaterThan(50);
    }
    await page.context().close();
  }
});

const tell = (page: Page, event: unknown) => page.evaluate((what) => (window as unknown as { canned: Canned }).canned.tell(what as never), event);

test("a computer is let in by a code that is confirmed in the browser", async () => {
  const page = await openPage(stage, "#/uploads");
  await page.clock.install();
  await page.fill("#server-address", "two words");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#server-bad");
  expect(await saying(page, "login")).toEqual([]);
  await page.fill("#server-address", "spool.example.org/");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-testid=pairing] >> text=WDJB-MJHT");
  expect(await saying(page, "login")).toEqual([{ server: "https://spool.example.org", token: null }]);
  // The button that comes next has the focus.
  await page.keyboard.press("Enter");
  await soon(() => page.evaluate(() => (window as unknown as { canned: Canned }).canned.opened)).toEqual(["https://spool.example.org/pair?code=WDJB-MJHT"]);
  // It goes on while something else is looked at.
  await page.click("nav >> text=Library");
  await page.click("nav >> text=Uploads");
  await page.waitForSelector("[data-testid=pairing] >> text=WDJB-MJHT");
  await page.clock.fastForward("09:55");
  await tell(page, { login_failed: { server: "https://spool.example.org", problem: { code: "login", message: "the code is unknown or too old" } } });
  await page.waitForSelector("text=The code has expired");
  await page.click("text=Get a new code");
  await page.waitForSelector("[data-testid=pairing]");
  await tell(page, { logged_in: { server: "https://spool.example.org", kept: "keychain", path: null, why: null } });
  await page.waitForSelector("text=Logged in at spool.example.org");
  expect(await page.locator("[data-testid=pairing]").count()).toBe(0);
  await page.context().close();
});

test("a token lets in too, and is shown nowhere; leaving asks first", async () => {
  const page = await openPage(stage, "#/uploads");
  await page.fill("#server-address", "http://192.168.1.20:8080");
  await page.waitForSelector("text=not encrypted");
  await page.click("text=With a token");
  await page.fill("#server-token", "secret-of-mine");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[data-state=idle]");
  expect(await saying(page, "login")).toEqual([{ server: "http://192.168.1.20:8080", token: "secret-of-mine" }]);
  expect(await page.content()).not.toContain("secret-of-mine");
  await page.waitForSelector(".toast >> text=There is no keychain");
  await page.waitForSelector("main >> text=There is no keychain");
  await page.click("text=Log out");
  expect(await saying(page, "logout")).toEqual([]);
  await page.click("text=Really?");
  await page.waitForSelector("[data-state=nowhere]");
  await page.context().close();
});

test("what was refused is said, and the way back leads to the form", async () => {
  const page = await openPage(stage, "#/uploads");
  await page.evaluate(() => ((window as unknown as { canned: Canned }).canned.fail["login"] = "no server of that name"));
  await page.fill("#server-address", "spool.example.org");
  await page.click("text=Connect");
  await page.waitForSelector("[role=alert] >> text=no server of that name");
  await page.click("text=Try again");
  expect(await page.inputValue("#server-address")).toBe("spool.example.org");
  await page.context().close();
});

test("uploads are paused, go on, and are tried again by hand", async () => {
  const page = await openPage(stage, "#/uploads", { upload: "sending" });
  await page.click("text=Pause uploads");
  await page.click("[data-state=paused] >> text=Go on uploading");
  await page.waitForSelector("[data-state=sending]");
  await page.context().close();
  const away = await openPage(stage, "#/uploads", { upload: "offline" });
  await away.waitForSelector("nav >> text=Offline is fine");
  await away.click("text=Try now");
  await away.waitForSelector("[data-state=sending]");
  expect(await saying(away, "sync")).toEqual([{ id: null }]);
  await away.context().close();
});

test("who is let in again stays logged in when the code is given up", async () => {
  const page = await openPage(stage, "#/uploads", { upload: "refused" });
  await page.waitForSelector("nav >> [aria-label='Needs you']");
  await page.click("text=Connect");
  await page.click("[data-testid=pairing] >> text=Cancel");
  await page.waitForSelector("#server-address:focus");
  expect(await saying(page, "logout")).toEqual([]);
  await page.context().close();
});

test("a receipt says what is there, and the server looks again", async () => {
  const page = await openPage(stage, "#/library", { upload: "sending" });
  const open = async (title: string) => {
    await page.click(`[aria-label='More for ${title}']`);
    await page.click(".menu >> text=Details");
  };
  await open("Sprint review");
  await page.waitForSelector("[data-testid=receipt] >> text=412 of 412 chunks verified");
  await page.click("text=Check again at the server");
  await soon(() => saying(page, "upload_verify")).toEqual([{ id }]);
  await soon(() => saying(page, "show").then((all) => all.length)).toBe(2);
  await open("Checkout bug, second try");
  await page.click("summary >> text=Not there yet: 31");
  await page.waitForSelector("li >> text=program/000032-1a2b3c4d.m4s");
  await page.waitForSelector("li >> text=and 11 more");
  // One that nobody wanted there goes there when somebody wants it.
  await open("Interview with pilot user");
  await page.click("text=Upload now");
  await page.waitForSelector("text=is on its way to the server");
  await page.waitForSelector("text=It waits to be sent");
  expect(await saying(page, "sync")).toEqual([{ id: id.replace(/0$/, "2") }]);
  await page.context().close();
});

test("recording says how far behind a server is, and without one nothing", async () => {
  const page = await openPage(stage, "#/record", { activity: "recording", upload: "sending" });
  await page.waitForSelector("[data-testid=arrived] >> text=server 21 s behind");
  await page.waitForSelector("[data-testid=arrived] >> text=190 of 192 verified");
  await page.context().close();
  const alone = await openPage(stage, "#/record", { activity: "recording" });
  await alone.waitForSelector("[data-testid=clock]");
  expect(await alone.locator("[data-testid=arrived]").count()).toBe(0);
  await alone.context().close();
});

test("ten thousand recordings with receipts scroll like ten while uploads go on", async () => {
  const page = await openPage(stage, "#/library", { recordings: 10_000, upload: "sending" });
  await page.waitForSelector(".card >> text=31 of 62 uploaded");
  await page.evaluate(() => document.querySelector(".view .scroll")!.scrollTo(0, 1e9));
  await page.waitForSelector("[data-at='9999'] .card >> text=verified");
  expect(await page.locator("li[data-at]").count()).toBeLessThan(60);
  await page.evaluate(() => document.querySelector(".view .scroll")!.scrollTo(0, 0));
  await page.evaluate(() => {
    const { canned } = window as unknown as { canned: Canned };
    const [line, ...others] = canned.snapshot.upload.sessions;
    canned.tell({ changed: { ...canned.snapshot, upload: { ...canned.snapshot.upload, sessions: [{ ...line!, chunks_done: 32 }, ...others] } } });
  });
  await page.waitForSelector(".card >> text=32 of 62 uploaded");
  expect((await saying(page, "list")).length).toBeLessThan(8);
  await page.context().close();
});

test("hours are chosen or written, and what is refused can be mended", async () => {
  const page = await openPage(stage, "#/uploads", { upload: "idle" });
  await page.selectOption("#setting-upload-hours", "22:00-06:00");
  await soon(() => saying(page, "set")).toEqual([{ key: "upload-hours", value: "22:00-06:00" }]);
  await page.selectOption("#setting-upload-hours", { label: "Other…" });
  await page.keyboard.type("23:00-05:30");
  await page.keyboard.press("Enter");
  await soon(() => saying(page, "set").then((all) => all.at(-1))).toEqual({ key: "upload-hours", value: "23:00-05:30" });
  await page.waitForSelector("#setting-upload-hours >> text=23:00 – 05:30", { state: "attached" });
  await page.evaluate(() => ((window as unknown as { canned: Canned }).canned.fail["set"] = "not a time of day"));
  await page.selectOption("#setting-upload-hours", { label: "Other…" });
  await page.keyboard.type("never");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert] >> text=not a time of day");
  await page.focus("#setting-upload-hours");
  await page.keyboard.press("Escape");
  await page.waitForSelector("select#setting-upload-hours");
  await page.context().close();
});
