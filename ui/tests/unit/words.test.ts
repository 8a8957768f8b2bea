import { expect, test } from "vitest";
import { de } from "../../src/words/de";
import { en } from "../../src/words/en";
import shellDe from "../../src/words/shell.de.json";
import shellEn from "../../src/words/shell.en.json";

type Leaf = [string, unknown];

/** Every word with its path. */
function leaves(of: unknown, path = ""): Leaf[] {
  if (typeof of !== "object" || of === null || Array.isArray(of)) return [[path, of]];
  return Object.entries(of).flatMap(([key, value]) => leaves(value, `${path}.${key}`));
}
/** Words that are the same in both languages. */
const alike = new Set([
  ".app.name", ".recording.pause", ".inset.mirror", ".draw.text", ".draw.ellipse", ".export.formats.mp4", ".export.formats.webm", ".export.formats.gif", ".export.formats.m4a", ".details.kinds.system_audio",
  ".record.key", ".record.countdown", ".settings.version", ".settings.system", ".settings.session", ".library.columns.title", ".record.title", ".settings.names.countdown", ".export.format", ".details.reasons.paused", ".app.more", ".app.uploads", ".uploads.title",
  ".uploads.server", ".uploads.login.token",
]);

test("both catalogues have the same keys, and the same kinds of words", () => {
  const kinds = (words: unknown) => leaves(words).map(([path, value]) => `${path}: ${Array.isArray(value) ? "pair" : typeof value}`).sort();
  expect(kinds(de)).toEqual(kinds(en));
});

test("what the app says without a window is said in every language, with places for the same values", () => {
  const places = (words: unknown) => leaves(words).map(([path, text]) => [path, String(text).match(/\{\w+\}/g)?.sort() ?? []]);
  expect(places(shellDe)).toEqual(places(shellEn));
  const german = new Map(leaves(shellDe));
  const same = leaves(shellEn).filter(([path, text]) => german.get(path) === text);
  expect(same.map(([path]) => path)).toEqual([".tray.idle", ".tray.pause"]);
});

test("nothing is left untranslated, and nothing is empty", () => {
  const german = new Map(leaves(de));
  const same = leaves(en).filter(([path, value]) => typeof value === "string" && german.get(path) === value && !alike.has(path));
  expect(same).toEqual([]);
  expect(leaves(en).concat(leaves(de)).filter(([, value]) => value === "")).toEqual([]);
});

test("words with a place for a value use it", () => {
  for (const [path, value] of [...leaves(en), ...leaves(de)]) {
    if (typeof value !== "function" || value.length !== 1) continue;
    const said = (value as (what: unknown) => string)(path.startsWith(".time.") ? 42 : "42");
    expect(said, path).toContain("42");
  }
});
