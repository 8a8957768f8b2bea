// Plays a film from its chunks by Media Source Extensions: only what lies around the playhead is kept in memory.

import type { Film, FilmTrack, Segment } from "../bindings";
import { fetchBytes, problemOf } from "../engine";
import { initWithPictures } from "../lib/sps";
import { endOf, isComplete, nextSegment, overHole, segmentAt, toDrop, type Range } from "../lib/film";

/** WebKitGTK takes how long a picture stands from the rate that its stream names, and not from its chunk. */
const isWebKitGtk = /AppleWebKit/.test(navigator.userAgent) && /Linux/.test(navigator.userAgent) && !/Chrom/.test(navigator.userAgent);
/** A recorder repeats a picture that stands still once a second: none stands longer than this. */
const stillSeconds = 1.25;
/** A chunk's first sample may lie a rounding error before it. */
const slack = 0.002;
/** Milliseconds between two looks at whether the web view is stuck. */
const lookMs = 1000;
/** So often something is tried again that the web view was too busy for. */
const triesMax = 20;

/** One track of the film, and what of it is in the web view's memory. */
class Lane {
  readonly appended = new Set<number>();
  /** Those whose bytes are gone or wrong; they are left out. */
  readonly bad = new Set<number>();
  init: string | null = null;
  /** Its pictures seem to last longer than they do, so that chunks must be appended in their order. */
  private readonly goesByRate: boolean;

  constructor(
    public track: FilmTrack,
    readonly buffer: SourceBuffer,
  ) {
    this.goesByRate = isWebKitGtk && track.media_type.startsWith("video/");
  }

  /** Waits for what the web view does with this lane. */
  private settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      const [done, failed] = [() => (clear(), resolve()), () => (clear(), reject(new Error("this chunk cannot be decoded")))];
      const clear = () => {
        this.buffer.removeEventListener("updateend", done);
        this.buffer.removeEventListener("error", failed);
      };
      this.buffer.addEventListener("updateend", done);
      this.buffer.addEventListener("error", failed);
    });
  }

  async append(segment: Segment, init: ArrayBuffer | null, bytes: ArrayBuffer): Promise<void> {
    if (this.goesByRate) await this.drop(this.track.segments.filter(({ index }) => index > segment.index && this.appended.has(index) && !this.bad.has(index)));
    if (init) {
      this.buffer.appendBuffer(this.goesByRate ? initWithPictures(init, stillSeconds) : init);
      await this.settled();
      this.init = segment.init;
    }
    // The end first: the window may never be empty.
    [this.buffer.appendWindowStart, this.buffer.appendWindowEnd] = [0, Number.POSITIVE_INFINITY];
    this.buffer.timestampOffset = segment.offset;
    // Where pictures seem to last longer than they do, the last ones of a chunk would be outside.
    if (!this.goesByRate) this.buffer.appendWindowEnd = segment.to + slack;
    this.buffer.appendWindowStart = Math.max(0, segment.from - slack);
    this.buffer.appendBuffer(bytes);
    await this.settled();
    this.appended.add(segment.index);
  }

  async drop(segments: Segment[]): Promise<void> {
    for (const segment of segments) {
      this.buffer.remove(Math.max(0, segment.from), segment.to);
      await this.settled();
      this.appended.delete(segment.index);
    }
  }
}

export class FilmPlayer {
  /** Seconds. */
  at = $state(0);
  duration = $state(0);
  playing = $state(false);
  waiting = $state(true);
  speed = $state(1);
  muted = $state(false);
  failure = $state<string | null>(null);
  /** Whether something of it has been shown or heard. */
  begun = false;
  /** Whether people want it to play, however far that has come. */
  wantsToPlay = false;
  /** How many chunks are left out, since their bytes are gone or wrong. */
  damaged = $state(0);
  private film: Film;
  private readonly source = new MediaSource();
  private readonly closing = new AbortController();
  private lanes: Lane[] = [];
  private wanted: number | null = null;
  private wake: () => void = () => {};
  private url: string | null = null;
  private tries = 0;
  private stuckAt: number | null = null;
  private readonly watch = setInterval(() => this.nudge(), lookMs);

  constructor(
    private readonly video: HTMLVideoElement,
    film: Film,
  ) {
    this.film = film;
    this.duration = film.duration || endOf(film.tracks);
    const on = (name: string, run: () => void) => video.addEventListener(name, run, { signal: this.closing.signal });
    on("play", () => (this.playing = true));
    on("pause", () => (this.playing = false));
    on("timeupdate", () => this.moved());
    on("seeking", () => this.moved());
    on("seeked", () => this.arrived());
    on("loadeddata", () => this.arrived());
    on("waiting", () => ((this.waiting = true), this.jump(), this.wake()));
    on("playing", () => (this.waiting = false));
    on("canplay", () => ((this.begun = true), (this.waiting = false)));
    on("ratechange", () => (this.speed = video.playbackRate));
    on("error", () => this.fail(video.error?.message || "the web view cannot play this"));
    this.source.addEventListener("sourceopen", () => this.open(), { once: true });
    this.url = URL.createObjectURL(this.source);
    video.src = this.url;
  }

  close(): void {
    this.closing.abort();
    clearInterval(this.watch);
    this.wake();
    this.video.removeAttribute("src");
    this.video.load();
    if (this.url) URL.revokeObjectURL(this.url);
  }

  /** A recording that is still being written has grown. */
  extend(film: Film): void {
    this.film = film;
    for (const lane of this.lanes) {
      const track = film.tracks.find(({ track: name }) => name === lane.track.track);
      if (track) lane.track = track;
    }
    this.duration = film.duration;
    if (this.source.readyState === "open" && film.duration > this.source.duration && this.idle()) this.source.duration = film.duration;
    this.wake();
  }

  async play(): Promise<void> {
    this.wantsToPlay = true;
    if (this.at >= this.duration - 0.05) this.seek(0);
    await this.video.play().catch((thrown: unknown) => {
      if (!(thrown instanceof DOMException && thrown.name === "AbortError")) this.fail(problemOf(thrown).message);
    });
  }

  pause(): void {
    this.wantsToPlay = false;
    this.video.pause();
  }

  toggle(): void {
    if (this.video.paused) void this.play();
    else this.pause();
  }

  /** Goes to this instant, in seconds. While one seek is under way the newest waits, and those between are left out. So
   * do seeks of a film that only begins to load: WebKitGTK may never end them, nor let go of the film. */
  seek(at: number): void {
    const to = Math.min(Math.max(0, at), Math.max(0, this.duration - 0.001));
    this.at = to;
    if (this.video.seeking || !this.isLoaded) this.wanted = to;
    else this.video.currentTime = to;
    this.wake();
  }

  private get isLoaded(): boolean {
    return this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
  }

  setSpeed(speed: number): void {
    this.video.playbackRate = speed;
  }

  setMuted(muted: boolean): void {
    [this.video.muted, this.muted] = [muted, muted];
  }

  private fail(why: string): void {
    if (!this.closing.signal.aborted) this.failure = why;
  }

  private moved(): void {
    if (this.wanted === null) this.at = Math.min(this.video.currentTime, this.duration);
    if (this.video.currentTime > this.duration && !this.video.paused) this.video.pause();
    this.wake();
  }

  private arrived(): void {
    const next = this.wanted;
    this.wanted = null;
    if (next !== null && Math.abs(next - this.video.currentTime) > 0.001) this.video.currentTime = next;
    else this.moved();
    this.waiting = false;
  }

  private idle = () => this.lanes.every(({ buffer }) => !buffer.updating);

  private open(): void {
    try {
      this.source.duration = this.duration;
      this.lanes = this.film.tracks.filter(({ segments }) => segments.length > 0).map((track) => new Lane(track, this.source.addSourceBuffer(track.media_type)));
    } catch (thrown) {
      return this.fail(problemOf(thrown).message);
    }
    if (this.lanes.length === 0) this.waiting = false;
    void this.feed();
  }

  /** Keeps the window around the playhead filled, one chunk after the other, the lane that has least ahead first. */
  private async feed(): Promise<void> {
    while (!this.closing.signal.aborted) {
      const changed = new Promise<void>((resolve) => (this.wake = resolve));
      const [playhead, lane] = [this.video.currentTime, this.hungriest()];
      try {
        for (const each of this.lanes) await each.drop(toDrop(each.track.segments, each.appended, playhead).filter(({ index }) => !each.bad.has(index)));
        if (lane) await this.take(lane.lane, lane.segment);
        else this.finish(playhead);
        if (this.isLoaded) this.jump();
      } catch (thrown) {
        if (!(await this.survive(thrown, playhead))) return;
      }
      if (!lane) await changed;
    }
  }

  private hungriest(): { lane: Lane; segment: Segment } | null {
    const hungry = this.lanes.flatMap((lane) => {
      const segment = nextSegment(lane.track.segments, lane.appended, this.video.currentTime);
      return segment ? [{ lane, segment }] : [];
    });
    return hungry.reduce<(typeof hungry)[number] | null>((best, each) => (best && best.segment.from <= each.segment.from ? best : each), null);
  }

  /** Gets a chunk, or leaves it out where it cannot be had: the rest stays playable. */
  private async take(lane: Lane, segment: Segment): Promise<void> {
    try {
      await this.fetch(lane, segment);
    } catch (thrown) {
      if (this.closing.signal.aborted || problemOf(thrown).code !== "fetch") throw thrown;
      lane.bad.add(segment.index);
      lane.appended.add(segment.index);
      this.damaged += 1;
    }
  }

  private async fetch(lane: Lane, segment: Segment): Promise<void> {
    const { session } = this.film;
    const { track } = lane.track;
    const signal = this.closing.signal;
    const [init, bytes] = await Promise.all([
      lane.init === segment.init ? null : fetchBytes(["init", session, track, segment.init], signal),
      fetchBytes(["chunk", session, track, segment.index], signal),
    ]);
    if (!signal.aborted) await lane.append(segment, init, bytes);
  }

  private finish(playhead: number): void {
    const complete = this.lanes.every((lane) => isComplete(lane.track.segments, lane.appended, playhead));
    if (complete && this.source.readyState === "open" && this.idle()) this.source.endOfStream();
  }

  /** Too much in memory is let go; a web view that is being closed is no failure. Says whether to go on. */
  private async survive(thrown: unknown, playhead: number): Promise<boolean> {
    if (this.closing.signal.aborted) return false;
    if (thrown instanceof DOMException && thrown.name === "QuotaExceededError") {
      for (const lane of this.lanes) await lane.drop(lane.track.segments.filter(({ index, to, from }) => lane.appended.has(index) && !lane.bad.has(index) && (to < playhead - 1 || from > playhead + 6)));
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return true;
    }
    // WebKitGTK may still be at what it was asked before.
    if (thrown instanceof DOMException && thrown.name === "InvalidStateError" && this.source.readyState !== "closed" && this.tries < triesMax) {
      this.tries += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return true;
    }
    // The engine is being started again, or the shell did not reach it.
    if (thrown instanceof TypeError || problemOf(thrown).code === "lost") {
      this.waiting = true;
      await new Promise((resolve) => setTimeout(resolve, 700));
      return true;
    }
    this.fail(problemOf(thrown).message);
    return false;
  }

  /** A film whose tracks begin far apart, or a seek that does not end though all it needs is there: a step further
   * helps. */
  private nudge(): void {
    const { buffered, currentTime } = this.video;
    const stuck = buffered.length > 0 && !this.isLoaded;
    if (stuck && this.stuckAt === currentTime) {
      const isThere = Array.from({ length: buffered.length }, (_, i) => buffered.start(i) <= currentTime && currentTime + 0.1 < buffered.end(i)).some(Boolean);
      if (isThere) this.video.currentTime = currentTime + 0.001;
      else this.jump();
    }
    this.stuckAt = stuck ? currentTime : null;
  }

  /** Tracks do not begin and end at the very same instant; a player that waits there would wait for ever. */
  private jump(): void {
    const { buffered } = this.video;
    const ranges: Range[] = Array.from({ length: buffered.length }, (_, i) => ({ from: buffered.start(i), to: buffered.end(i) }));
    const now = this.video.currentTime;
    const left = this.lanes.map(({ track, bad }) => ({ bad, segment: track.segments[segmentAt(track.segments, now)] })).find(({ bad, segment }) => segment && bad.has(segment.index));
    const to = left?.segment && left.segment.to < this.duration ? left.segment.to + slack : overHole(ranges, now);
    if (to !== null && !this.video.seeking) this.video.currentTime = to;
  }
}
