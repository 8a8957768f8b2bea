// The newest word of the engine: its snapshot, whether it is there, and what it can record. Decides nothing.

import type { About, Alarm, Device, EngineState, Permission, Snapshot, Summary, TrackStatus } from "../bindings";
import { about, answer, ask, listen, listenAbout, listenState, problemOf } from "../engine";
import { login } from "./login.svelte";
import { settings } from "./settings.svelte";

type Finished = (summary: Summary) => void;
/** A recording that was cut off, and found again. */
type Rescued = { id: string; title: string; lostMs: number };

class Live {
  snapshot = $state.raw<Snapshot | null>(null);
  engine = $state.raw<EngineState>({ state: "starting" });
  devices = $state.raw<Device[]>([]);
  about = $state.raw<About | null>(null);
  /** How far each export is, by its file. */
  exports = $state<Record<string, number>>({});
  permissions = $state.raw<Permission[]>([]);
  rescued = $state.raw<Rescued | null>(null);
  /** Another number whenever the library may have changed, by whomever. */
  changes = $state(0);
  /** The newest of each kind of notice that came by itself. */
  private said = $state.raw<{ code: string; message: string }[]>([]);
  private dismissed = $state.raw<string[]>([]);
  private finished = new Set<Finished>();

  /** Listens from now on. Called once a window. */
  async connect(): Promise<void> {
    await listen((event) => {
      if ("changed" in event) this.take(event.changed);
      else if ("finished" in event) this.finished.forEach((tell) => tell(event.finished));
      else if ("recovered" in event) this.rescue(event.recovered);
      else if ("progress" in event) this.exports[event.progress.output] = event.progress.share;
      else if ("notice" in event) this.notice(event.notice);
      else if ("uploaded" in event) this.changes += 1;
      else login.hear(event);
    });
    await listenState((state) => void this.stands(state));
    await listenAbout(() => void this.ask());
    await this.ask();
    await this.refresh();
  }

  /** Calls back whenever a session ended. Gives what stops that. */
  onFinished(tell: Finished): () => void {
    this.finished.add(tell);
    return () => this.finished.delete(tell);
  }

  /** What the shell says of itself may have changed. */
  async ask(): Promise<void> {
    this.about = await about().catch(() => this.about);
  }

  /** What could be recorded may have changed. */
  async findDevices(): Promise<void> {
    this.devices = await answer({ devices: { synthetic: false } }, "devices").catch(() => this.devices);
  }

  dismiss(message: string): void {
    this.dismissed = [...this.dismissed, message].slice(-20);
  }

  get isRunning(): boolean {
    return ["recording", "paused", "stopping"].includes(this.snapshot?.activity ?? "idle");
  }

  get alarms(): Alarm[] {
    return this.snapshot?.alarms ?? [];
  }

  /** What people should know now, each once, but for what they have put away. */
  get notices(): string[] {
    const all = [...(this.snapshot?.notices ?? []), ...this.said.map(({ message }) => message)];
    return [...new Set(all)].filter((message) => !this.dismissed.includes(message)).slice(-3);
  }

  /** The track of a kind, while there is one. */
  track(kind: TrackStatus["kind"]): TrackStatus | null {
    return this.snapshot?.tracks.find((track) => track.kind === kind) ?? null;
  }

  private take(snapshot: Snapshot): void {
    const before = this.snapshot;
    this.snapshot = snapshot;
    if (before && before.library !== snapshot.library) this.changes += 1;
    if (before && before.settings !== snapshot.settings) void settings.load().catch(() => {});
    const begins = snapshot.activity === "recording" && (before?.activity === "idle" || before?.activity === "rehearsing");
    if (begins) [this.said, this.dismissed] = [[], []];
  }

  private notice(notice: { code: string; message: string }): void {
    this.said = [...this.said.filter(({ code }) => code !== notice.code), notice].slice(-3);
    this.dismissed = this.dismissed.filter((message) => message !== notice.message);
  }

  private async stands(state: EngineState): Promise<void> {
    const wasLost = this.engine.state !== "connected";
    this.engine = state;
    if (state.state !== "connected") {
      this.snapshot = this.snapshot && { ...this.snapshot, activity: "idle", tracks: [] };
    } else if (wasLost) {
      await this.refresh();
    }
  }

  private async refresh(): Promise<void> {
    try {
      this.take(await answer("status", "status"));
      await settings.load();
      this.engine = { state: "connected" };
      this.changes += 1;
      await this.findDevices();
      this.permissions = await answer("permissions", "permissions").catch(() => this.permissions);
    } catch (thrown) {
      if (this.engine.state === "connected") this.engine = { state: "lost", message: problemOf(thrown).message };
    }
  }

  private rescue({ recording, title, lost_ms }: { recording: string; title: string; lost_ms: number }): void {
    this.rescued = { id: recording, title, lostMs: lost_ms };
  }
}

/** The one of this window. */
export const live = new Live();

/** Asks for something that is done or not, and says in words what went wrong. */
export async function tryTo(command: Parameters<typeof ask>[0], failed: (message: string) => void): Promise<boolean> {
  try {
    await ask(command);
    return true;
  } catch (thrown) {
    failed(problemOf(thrown).message);
    return false;
  }
}
