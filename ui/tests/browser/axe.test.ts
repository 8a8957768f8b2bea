// Every view, light and dark: axe finds nothing to complain about. With SPOOL_UI_SHOTS=DIR they are kept as pictures.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Scene } from "./canned";
import { openPage, openStage, type Look, type Stage } from "./stage";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.env["SPOOL_UI_SHOTS"];
const first = "0193a5e2-7c1d-7000-8000-000000000000";
let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

type View = { name: string; hash: string; scene?: Partial<Scene>; look?: Look; act?: (page: Page) => Promise<unknown>; ready: string };
const views: View[] = [
  { name: "welcome", hash: "", scene: { permission: "denied" }, look: { welcomed: false }, ready: "text=Screen" },
  { name: "record", hash: "#/record", ready: "[data-testid=stage] img" },
  { name: "record-details", hash: "#/record", ready: "[data-testid=stage] img", act: (page) => page.click("text=Details") },
  { name: "record-chooser", hash: "#/record", ready: "[data-testid=stage] img", act: (page) => page.click(".row .choose >> nth=0") },
  { name: "record-region", hash: "#/record", ready: "[data-testid=stage] img", act: async (page) => { await page.click(".row .choose >> nth=0"); await page.click("text=A part of the screen"); } },
  { name: "record-inset", hash: "#/record", ready: "[data-testid=stage] img", act: (page) => page.hover(".inset") },
  { name: "recording", hash: "#/record", scene: { activity: "recording" }, ready: "[data-testid=clock]" },
  { name: "recording-alarm", hash: "#/record", scene: { activity: "recording", alarm: true }, ready: ".alarm" },
  { name: "paused", hash: "#/record", scene: { activity: "paused" }, ready: "[data-testid=clock]" },
  { name: "drawing", hash: "#/record", scene: { activity: "recording" }, ready: "[data-testid=stage] img", act: (page) => page.click("text=Draw") },
  { name: "lost", hash: "#/record", scene: { engine: "lost" }, ready: "[data-state=lost]" },
  { name: "library", hash: "#/library", ready: ".card" },
  { name: "library-details", hash: "#/library", ready: ".card", act: async (page) => { await page.click("[aria-label='More for Sprint review']"); await page.click(".menu >> text=Details"); await page.click("text=Check here"); } },
  { name: "library-uploaded", hash: "#/library", scene: { upload: "sending" }, ready: ".card", act: async (page) => { await page.click("[aria-label='More for Sprint review']"); await page.click(".menu >> text=Details"); await page.waitForSelector("text=412 of 412"); } },
  { name: "library-partial", hash: "#/library", scene: { upload: "sending" }, ready: ".card", act: async (page) => { await page.click("[aria-label='More for Checkout bug, second try']"); await page.click(".menu >> text=Details"); await page.waitForSelector("text=31 of 62"); } },
  { name: "library-menu", hash: "#/library", ready: ".card", act: (page) => page.click("[aria-label='More for Sprint review']") },
  { name: "library-list", hash: "#/library", ready: ".card", act: (page) => page.click("[aria-label=List]") },
  { name: "library-empty", hash: "#/library", scene: { recordings: 0 }, ready: "text=Nothing recorded yet" },
  { name: "trash", hash: "#/library/trash", ready: "text=The trash is empty" },
  { name: "export", hash: "#/library", ready: ".card", act: async (page) => { await page.click("[aria-label='More for Sprint review']"); await page.click(".menu >> text=Export"); } },
  { name: "player", hash: `#/player/${first}`, ready: ".strip img", act: async (page) => { await page.waitForFunction(() => (document.querySelector("video")?.readyState ?? 0) > 2); await page.keyboard.press("i"); await page.keyboard.press("ArrowRight"); await page.keyboard.press("ArrowRight"); await page.keyboard.press("o"); } },
  { name: "recording-uploading", hash: "#/record", scene: { activity: "recording", upload: "sending" }, ready: "[data-testid=arrived]" },
  { name: "uploads-nowhere", hash: "#/uploads", ready: "[data-state=nowhere]" },
  { name: "uploads-token", hash: "#/uploads", ready: "[data-state=nowhere]", act: async (page) => { await page.fill("#server-address", "http://192.168.1.20:8080"); await page.click("text=With a token"); } },
  { name: "uploads-code", hash: "#/uploads", ready: "[data-state=nowhere]", act: async (page) => { await page.fill("#server-address", "spool.example.org"); await page.click("text=Connect"); await page.waitForSelector("[data-testid=pairing]"); } },
  { name: "uploads-failed", hash: "#/uploads", ready: "[data-state=nowhere]", act: async (page) => { await page.evaluate(() => Object.assign((window as unknown as { canned: { fail: Record<string, string> } }).canned.fail, { login: "spool.example.org does not answer: connection refused" })); await page.fill("#server-address", "spool.example.org"); await page.click("text=Connect"); await page.waitForSelector("text=That did not work"); } },
  { name: "uploads-idle", hash: "#/uploads", scene: { upload: "idle" }, ready: "[data-state=idle]" },
  { name: "uploads-sending", hash: "#/uploads", scene: { upload: "sending" }, ready: "[data-state=sending]" },
  { name: "uploads-live", hash: "#/uploads", scene: { upload: "sending", activity: "recording" }, ready: "[data-state=sending]" },
  { name: "uploads-offline", hash: "#/uploads", scene: { upload: "offline" }, ready: "[data-state=offline]" },
  { name: "uploads-hours", hash: "#/uploads", scene: { upload: "hours" }, ready: "[data-state=hours]" },
  { name: "uploads-paused", hash: "#/uploads", scene: { upload: "paused" }, ready: "[data-state=paused]", act: (page) => page.click("text=Log out") },
  { name: "uploads-full", hash: "#/uploads", scene: { upload: "full" }, ready: "[data-state=trouble]" },
  { name: "uploads-refused", hash: "#/uploads", scene: { upload: "refused" }, ready: "[data-state=refused]" },
  { name: "settings", hash: "#/settings", ready: "text=Quality" },
  { name: "settings-storage", hash: "#/settings", ready: "text=Quality", act: (page) => page.click("aside >> text=Storage") },
  { name: "settings-uploads", hash: "#/settings", ready: "text=Quality", act: (page) => page.click("aside >> text=Server & uploads") },
  { name: "settings-about", hash: "#/settings", ready: "text=Quality", act: (page) => page.click("aside >> text=About") },
  { name: "controller", hash: "controller.html", scene: { activity: "recording" }, look: { width: 320, height: 56 }, ready: ".clock" },
];

async function complaints(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(() => (window as unknown as { axe: { run: () => Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } }).axe.run());
  return found.violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary ?? ""}`));
}

describe.each(["light", "dark"] as const)("%s", (theme) => {
  test.each(views)("$name", async ({ name, hash, scene, look, act, ready }) => {
    const page = await openPage(stage, hash, scene, { theme, ...look });
    await page.waitForSelector(ready);
    await act?.(page);
    await page.waitForTimeout(shots ? 500 : 100);
    if (shots) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}-${theme}.png`) });
    }
    expect(await complaints(page)).toEqual([]);
    await page.context().close();
  });
});

test.each(views.filter(({ name }) => name !== "controller"))("$name is whole at 720 pixels, and in German", async ({ name, hash, scene, look, ready }) => {
  const german = ready.startsWith("text=") ? "main" : ready;
  const page = await openPage(stage, hash, scene, { width: 720, height: 640, ...look, language: "de" });
  await page.waitForSelector(german);
  await page.waitForTimeout(shots ? 500 : 100);
  if (shots) await page.screenshot({ path: join(shots, `${name}-720.png`) });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(720);
  expect(await complaints(page)).toEqual([]);
  await page.context().close();
});
