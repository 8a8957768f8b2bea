// The engine's settings as it gave them last, and the few choices that are this window's own.

import type { Setting } from "../bindings";
import { answer } from "../engine";

class Settings {
  all = $state.raw<Setting[]>([]);
  /** Choices that the engine has not been told yet, since it was not there. */
  private early = new Map<string, string>();
  private loading: Promise<void> = Promise.resolve();
  readonly values: Record<string, string> = $derived(Object.fromEntries(this.all.map(({ key, value }) => [key, value])));

  /** One after the other, or what was read before a choice would undo it. */
  load(): Promise<void> {
    this.loading = this.loading.catch(() => {}).then(() => this.read());
    return this.loading;
  }

  private async read(): Promise<void> {
    const found = await answer({ settings: { key: null } }, "settings");
    this.all = found.map((setting) => ({ ...setting, value: this.early.get(setting.key) ?? setting.value }));
    await this.tell();
  }

  /** Chooses a value at once, and tells the engine as soon as it can be told. */
  async choose(key: string, value: string): Promise<void> {
    this.early.set(key, value);
    this.all = this.all.map((setting) => (setting.key === key ? { ...setting, value } : setting));
    if (this.all.length > 0) await this.tell();
  }

  private async tell(): Promise<void> {
    for (const [key, value] of this.early) {
      await this.set(key, value);
      this.early.delete(key);
    }
  }

  /** Chooses a value, or takes the choice back. Rejects with the engine's reason. */
  async set(key: string, value: string | null): Promise<void> {
    const changed = await answer({ set: { key, value } }, "settings");
    const fresh = new Map(changed.map((setting) => [setting.key, setting]));
    this.all = this.all.map((setting) => fresh.get(setting.key) ?? setting);
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
      // An engine that is gone is told when it is back, since settings are read again then.
      void settings.choose(name, next).catch(() => {});
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
