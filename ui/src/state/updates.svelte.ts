// Whether there is a newer version, where the app brings it itself and its user chose that somebody is asked.

import type { Newer } from "../bindings";
import { installUpdate, lookForUpdate } from "../engine";
import { live } from "./live.svelte";
import { settings } from "./settings.svelte";

class Updates {
  newer = $state.raw<Newer | null>(null);
  /** Somebody was asked, and answered. */
  looked = $state(false);
  /** Something is on its way. */
  busy = $state(false);

  /** Whether this app brings newer versions itself. */
  readonly possible = $derived(live.about?.updates_itself ?? false);
  /** Whether somebody may be asked. */
  readonly allowed = $derived(this.possible && settings.values["updates"] === "ask");

  /** Rejects with the reason. */
  look(): Promise<void> {
    return this.alone(async () => {
      this.newer = await lookForUpdate();
      this.looked = true;
    });
  }

  /** The app ends and starts anew. Rejects with the reason, for instance that a recording runs. */
  install(): Promise<void> {
    return this.alone(installUpdate);
  }

  private async alone(deed: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    await deed().finally(() => (this.busy = false));
  }
}

/** The one of this window. */
export const updates = new Updates();
