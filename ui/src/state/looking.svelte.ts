// The live picture: asked for again as soon as the last one is on the screen, so that nothing piles up.

import { look, problemOf } from "../engine";

/** While there is no picture, this often is asked whether there is one now. */
const emptyMs = 400;

export class Looking {
  url = $state.raw<string | null>(null);
  /** Pixels of the picture, across and down. */
  size = $state.raw<{ width: number; height: number } | null>(null);
  /** How many times in a row there was no picture. */
  misses = $state(0);
  failure = $state<string | null>(null);
  private stop: AbortController | null = null;
  private shown: () => void = () => {};

  /** Looks until [`close`]: pictures of this width, with this pause between two, both asked anew for each. */
  open(width: () => number, pauseMs: () => number): void {
    this.close();
    this.stop = new AbortController();
    void this.loop(width, pauseMs, this.stop.signal);
  }

  close(): void {
    this.stop?.abort();
    this.shown();
    if (this.url) URL.revokeObjectURL(this.url);
    [this.url, this.size, this.misses, this.failure] = [null, null, 0, null];
  }

  /** The picture is on the screen, or never will be. */
  loaded(image: HTMLImageElement): void {
    if (image.naturalWidth > 0 && (image.naturalWidth !== this.size?.width || image.naturalHeight !== this.size.height)) {
      this.size = { width: image.naturalWidth, height: image.naturalHeight };
    }
    this.shown();
  }

  private async loop(width: () => number, pauseMs: () => number, signal: AbortSignal): Promise<void> {
    let number = 0;
    while (!signal.aborted) {
      if (document.hidden) await new Promise((wake) => document.addEventListener("visibilitychange", wake, { once: true }));
      const found = await look(width(), number, signal).catch((thrown) => {
        if (!signal.aborted) this.failure = problemOf(thrown).message;
        return null;
      });
      if (signal.aborted) return;
      if (found) {
        [number, this.misses, this.failure] = [found.number, 0, null];
        await this.show(found.picture);
        if (pauseMs() > 0) await new Promise((wake) => setTimeout(wake, pauseMs()));
      } else {
        this.misses += 1;
        number = 0;
        await new Promise((wake) => setTimeout(wake, emptyMs));
      }
    }
  }

  private async show(picture: Blob): Promise<void> {
    const before = this.url;
    const onScreen = new Promise<void>((resolve) => (this.shown = resolve));
    this.url = URL.createObjectURL(picture);
    await onScreen;
    if (before) URL.revokeObjectURL(before);
  }
}
