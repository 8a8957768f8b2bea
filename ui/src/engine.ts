// The only module that knows how the window talks to the engine. Owns no state; decides nothing.

import { convertFileSrc, invoke } from "@tauri-apps/api/core";
import { listen as hear, type UnlistenFn } from "@tauri-apps/api/event";
import type { About, Command, EngineState, Event, Newer, Problem, Reply } from "./bindings";

type Answer = Exclude<Reply, string>;
/** The names of all replies that carry something. */
export type AnswerName = Answer extends infer A ? (A extends unknown ? keyof A : never) : never;
/** What the reply of this name carries. */
export type AnswerOf<K extends AnswerName> = Extract<Answer, Record<K, unknown>>[K];

/** Asks the engine. Rejects with a [`Problem`]. */
export function ask(command: Command): Promise<Reply> {
  return invoke<Reply>("ask", { command });
}

/** Asks for one certain reply. Rejects with a [`Problem`], also where another one came. */
export async function answer<K extends AnswerName>(command: Command, name: K): Promise<AnswerOf<K>> {
  const reply = await ask(command);
  if (typeof reply === "object" && name in reply) return (reply as unknown as Record<K, AnswerOf<K>>)[name];
  const problem: Problem = { code: "surprised", message: `expected ${String(name)}, received ${JSON.stringify(reply)}` };
  throw problem;
}

/** Whatever was thrown, as a problem with words for people. */
export function problemOf(thrown: unknown): Problem {
  if (typeof thrown === "object" && thrown !== null && "message" in thrown) {
    const code = "code" in thrown ? String(thrown.code) : "shell";
    return { code, message: String(thrown.message) };
  }
  return { code: "shell", message: String(thrown) };
}

/** Hears what the engine says without being asked. */
export function listen(on: (event: Event) => void): Promise<UnlistenFn> {
  return hear<Event>("engine", ({ payload }) => on(payload));
}

/** Hears whether the engine is there. */
export function listenState(on: (state: EngineState) => void): Promise<UnlistenFn> {
  return hear<EngineState>("engine-state", ({ payload }) => on(payload));
}

/** Hears that what the shell says of itself has changed. */
export function listenAbout(on: () => void): Promise<UnlistenFn> {
  return hear("about", on);
}

/** The address of bytes that the engine gives: `blobUrl("still", id)`. Query values that are not given are left out. */
export function blobUrl(path: (string | number)[], query: Record<string, string | number> = {}): string {
  const steps = path.map((step) => encodeURIComponent(step)).join("/");
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();
  return convertFileSrc("", "engine") + steps + (search ? `?${search}` : "");
}

/** Fetches bytes. Rejects with a [`Problem`]. */
export async function fetchBytes(path: (string | number)[], signal?: AbortSignal): Promise<ArrayBuffer> {
  const response = await fetch(blobUrl(path), { signal });
  if (response.ok) return response.arrayBuffer();
  // The shell says by this that the engine is not there, and will be.
  const code = response.status === 503 ? "lost" : "fetch";
  throw { code, message: (await response.text()) || response.statusText } satisfies Problem;
}

/** A live picture and its number. */
export type Look = { picture: globalThis.Blob; number: number };

/** Waits for a live picture newer than `after`; none where there is none. */
export async function look(width: number, after: number, signal: AbortSignal): Promise<Look | null> {
  const response = await fetch(blobUrl(["look"], { width, after }), { signal, cache: "no-store" });
  if (response.status === 204) return null;
  if (!response.ok) throw { code: "look", message: (await response.text()) || response.statusText } satisfies Problem;
  return { picture: await response.blob(), number: Number(response.headers.get("x-number") ?? 0) };
}

/** What the shell says of itself. */
export const about = () => invoke<About>("about");
/** Asks the user where to save; none where they thought better of it. */
export const chooseFile = (suggestedName: string) => invoke<string | null>("choose_file", { suggestedName });
/** Ends the export to this file. Its `export` command then rejects. */
export const cancelExport = (output: string) => invoke<void>("cancel_export", { output });
/** Shows a file in the system's file manager. */
export const reveal = (path: string) => invoke<void>("reveal", { path });
/** Puts words on the clipboard. */
export const copyText = (text: string) => invoke<void>("copy_text", { text });
/** Shows a page of the server in the browser. */
export const openPage = (url: string) => invoke<void>("open_page", { url });
/** Shows or hides the small floating window. */
export const showController = (visible: boolean) => invoke<void>("show_controller", { visible });
/** Asks the makers' server for a newer version; none where this is the newest. Rejects where nobody may be asked. */
export const lookForUpdate = () => invoke<Newer | null>("look_for_update");
/** Installs it and starts the app anew. Rejects while a recording runs. */
export const installUpdate = () => invoke<void>("install_update");
