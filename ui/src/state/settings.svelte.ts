// The engine's settings as it gave them last, and the few choices that are this window's own.

import type { Setting } from "../bindings";
import { answer } from "../engine";

class Settings {
  all = $state.raw<Setting[]>([]);
  readonly values: Record<string, string> = $derived(Object.fromEntries(this.all.map(({ key, value }) => [key, value])));

  async load(): Promise<void> {
    this.all = await answer({ settings: { key: null } }, "settings");
  }

  has(key: string): boolean {
    return this.all.some((setting) => setting.key === key);
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

/** A choice about this window alone, kept by the web view. */
export function kept<T extends string>(name: string, first: T): { value: T } {
  const key = `spool.${name}`;
  let value = $state<T>((localStorage.getItem(key) as T | null) ?? first);
  return {
    get value() {
      return value;
    },
    set value(next: T) {
      value = next;
      localStorage.setItem(key, next);
    },
  };
}

/** `system`, `light` or `dark`. */
export const theme = kept<"system" | "light" | "dark">("theme", "system");
/** How the library is shown. */
export const shelf = kept<"grid" | "list">("shelf", "grid");
/** Whether the first steps have been seen. */
export const welcomed = kept<"no" | "yes">("welcomed", "no");

const dark = matchMedia("(prefers-color-scheme: dark)");
let systemIsDark = $state(dark.matches);
dark.addEventListener("change", ({ matches }) => (systemIsDark = matches));

/** What is in force. */
export const themeInForce = () => (theme.value === "system" ? (systemIsDark ? "dark" : "light") : theme.value);
