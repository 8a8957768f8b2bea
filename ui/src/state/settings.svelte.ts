// The engine's settings as it gave them last, and the few choices that are this window's own.

import type { Setting } from "../bindings";
import { answer, problemOf } from "../engine";

class Settings {
  /** As the engine has them. */
  private known = $state.raw<Setting[]>([]);
  /** Choices on their way to the engine, or waiting for it. */
  private wished = $state.raw<ReadonlyMap<string, string | null>>(new Map());
  private turn: Promise<unknown> = Promise.resolve();

  /** With the choices on their way, which are seen at once. */
  readonly all: Setting[] = $derived(
    this.known.map((setting) => {
      const value = this.wished.get(setting.key);
      return value ? { ...setting, value, chosen: true } : setting;
    }),
  );
  readonly values: Record<string, string> = $derived(Object.fromEntries(this.all.map(({ key, value }) => [key, value])));

  /** Reads them again, and tells the engine what it has not been told. */
  load(): Promise<void> {
    return this.next(async () => {
      this.known = await answer({ settings: { key: null } }, "settings");
      for (const key of this.wished.keys()) await this.tell(key).catch(() => {});
    });
  }

  /** Chooses a value, or takes the choice back. An engine that is not there is told when it is. Rejects with the engine's
   * reason; the value then is what it was. */
  async set(key: string, value: string | null): Promise<void> {
    this.wished = new Map(this.wished).set(key, value);
    if (this.known.length > 0) await this.next(() => this.tell(key));
  }

  /** One after the other, or what was read before a choice would undo it. */
  private next(work: () => Promise<void>): Promise<void> {
    const done = this.turn.catch(() => {}).then(work);
    this.turn = done;
    return done;
  }

  private async tell(key: string): Promise<void> {
    const value = this.wished.get(key);
    if (value === undefined) return;
    try {
      const changed = await answer({ set: { key, value } }, "settings");
      const fresh = new Map(changed.map((setting) => [setting.key, setting]));
      this.known = this.known.map((setting) => fresh.get(setting.key) ?? setting);
    } catch (thrown) {
      // It is told when the engine is back.
      if (problemOf(thrown).code === "lost") return;
      this.done(key, value);
      throw thrown;
    }
    this.done(key, value);
  }

  /** Unless something else has been wished meanwhile. */
  private done(key: string, value: string | null): void {
    if (this.wished.get(key) !== value) return;
    const left = new Map(this.wished);
    left.delete(key);
    this.wished = left;
  }
}

/** The one of this window. */
export const settings = new Settings();

/** A choice that this window must know before the engine has said anything. The engine's setting of this name counts where
 * there is one; the web view remembers it too, for the moments until the engine answers. */
export function kept<T extends string>(name: string, first: T): { value: T } {
  const key = `spool.${name}`;
  let own = $state<T>((localStorage.getItem(key) as T | null) ?? first);
  const remember = (next: T) => {
    own = next;
    localStorage.setItem(key, next);
  };
  return {
    get value() {
      const theirs = settings.values[name] as T | undefined;
      if (theirs !== undefined && theirs !== localStorage.getItem(key)) localStorage.setItem(key, theirs);
      return theirs ?? own;
    },
    set value(next: T) {
      remember(next);
      // Some choices are this window's alone.
      if (settings.all.length === 0 || name in settings.values) void settings.set(name, next).catch(() => {});
    },
  };
}

/** `system`, `light` or `dark`. */
export const theme = kept<"system" | "light" | "dark">("theme", "system");
/** How the library is shown. */
export const shelf = kept<"grid" | "list">("library-view", "grid");
/** Whether the first steps are still to be seen. */
export const firstRun = kept<"on" | "off">("first-run", "on");

const dark = matchMedia("(prefers-color-scheme: dark)");
let systemIsDark = $state(dark.matches);
dark.addEventListener("change", ({ matches }) => (systemIsDark = matches));

/** What is in force. */
export const themeInForce = () => (theme.value === "system" ? (systemIsDark ? "dark" : "light") : theme.value);
