// The next session as it is being prepared, and the buttons of the running one. What they mean is up to the engine.

import type { Inset, Layout, SessionPlan, Summary } from "../bindings";
import { answer, ask, problemOf } from "../engine";
import { settingsOf } from "../lib/layout";
import { newestOnly } from "../lib/loop";
import { isEmpty, notesFrom, planFrom, type SourceKey } from "../lib/plan";
import * as format from "../lib/time";
import { locale, say } from "../words/index.svelte";
import { live } from "./live.svelte";
import { go } from "./place.svelte";
import { kept, settings } from "./settings.svelte";
import { toasts } from "./toasts.svelte";

const notes = kept<string>("next-notes", "{}");
const description = kept<string>("next-description", "");

class Recorder {
  title = $state("");
  layout = $state.raw<Layout | null>(null);
  /** Seconds until it begins; none where nothing counts. */
  counting = $state<number | null>(null);
  /** Something was asked for and has not been answered. */
  busy = $state(false);
  private timer: ReturnType<typeof setInterval> | undefined;

  readonly plan: SessionPlan = $derived(
    planFrom(settings.values, { title: this.title.trim(), description: description.value, metadata: notesFrom(notes.value) }),
  );
  readonly isEmpty: boolean = $derived(isEmpty(this.plan));

  get description(): string {
    return description.value;
  }

  set description(text: string) {
    description.value = text;
  }

  get metadata(): Record<string, string> {
    return this.plan.metadata;
  }

  set metadata(map: Record<string, string>) {
    notes.value = JSON.stringify(map);
  }

  /** Remembers a choice. */
  async choose(key: string, value: string): Promise<void> {
    await settings.set(key, value).catch(toasts.failed);
  }

  /** Switches a source on or off. What was chosen comes back when it is switched on again. */
  async toggle(key: SourceKey): Promise<void> {
    const now = settings.values[key] ?? "off";
    const before = `spool.before.${key}`;
    if (now !== "off") localStorage.setItem(before, now);
    await this.choose(key, now === "off" ? (localStorage.getItem(before) ?? "default") : "off");
  }

  /** How sources are arranged, as the engine has it. */
  async loadLayout(): Promise<void> {
    this.layout = await answer("layout", "layout").catch(() => this.layout);
  }

  /** The camera is put somewhere else: shown at once, told to the session or rehearsal as fast as the engine takes it. */
  arrange(inset: Inset): void {
    if (!this.layout) return;
    this.layout = { ...this.layout, camera: inset };
    this.send(this.layout);
  }

  /** Remembers where the camera was put, for the next sessions too. */
  async settle(before: Inset): Promise<void> {
    if (!this.layout) return;
    for (const [key, value] of settingsOf(before, this.layout.camera)) await this.choose(key, value);
  }

  /** Begins after the countdown, or stops counting. */
  start(): void {
    if (this.counting !== null) return this.cancel();
    const seconds = Number.parseInt(settings.values["countdown"] ?? "0", 10) || 0;
    if (seconds === 0) return void this.begin();
    this.counting = seconds;
    this.timer = setInterval(() => {
      this.counting = (this.counting ?? 1) - 1;
      if (this.counting <= 0) {
        this.cancel();
        void this.begin();
      }
    }, 1000);
  }

  cancel(): void {
    clearInterval(this.timer);
    this.counting = null;
  }

  pause = () => this.doing(() => ask("pause"));
  resume = () => this.doing(() => ask("resume"));

  async stop(): Promise<void> {
    await this.doing(() => ask("stop"));
  }

  /** Ends it and puts it into the trash, from which it can be taken back. */
  async discard(): Promise<void> {
    const id = live.snapshot?.recording;
    this.discarding = id ?? null;
    await this.doing(() => ask("stop"));
    if (!id) return;
    await this.doing(() => ask({ trash: { id } }));
    this.discarding = null;
    const restore = () => this.doing(async () => {
      await ask({ restore: { id } });
      toasts.say(say().recording.kept);
    });
    toasts.say(say().recording.discarded, [{ label: say().app.undo, run: () => void restore() }]);
  }
  private discarding: string | null = null;

  async mark(): Promise<void> {
    const at = live.snapshot?.elapsed_ms ?? 0;
    await this.doing(async () => {
      await ask({ mark: { id: null, at_ms: null, label: "" } });
      toasts.say(say().recording.marked(format.clock(at)));
    });
  }

  /** The receipt of a session that ended, by whomever. */
  ended(summary: Summary): void {
    if (summary.recording === this.discarding) return;
    const [w, title] = [say(), live.snapshot?.title || say().library.untitled];
    const time = format.length(summary.duration_ms);
    const text = summary.lost_ms > 0
      ? w.recording.savedLost(title, time, format.brief(summary.lost_ms, locale()))
      : w.recording.saved(title, time);
    const open = () => go({ view: "player", id: summary.recording });
    toasts.say(text, [{ label: w.recording.play, run: open }]);
    if (summary.reason) toasts.warn(w.recording.ended(summary.reason));
  }

  private async begin(): Promise<void> {
    await this.doing(async () => {
      // What was not as wished is among the snapshot's notices.
      await answer({ begin: $state.snapshot(this.plan) }, "begun");
      this.title = "";
    });
  }

  private readonly send = newestOnly((layout: Layout) => ask({ arrange: layout }), 60);

  private async doing(work: () => Promise<unknown>): Promise<void> {
    this.busy = true;
    try {
      await work();
    } catch (thrown) {
      toasts.warn(problemOf(thrown).message);
    } finally {
      this.busy = false;
    }
  }
}

/** The one of this window. */
export const recorder = new Recorder();
