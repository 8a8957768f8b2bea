// What every page does: watch a video play, look at chosen instants, and report to the test that serves it.

const WIDTH = 280;
const HEIGHT = 72;

/** Sends the report; the test ends the browser then. */
function report(result) {
  return fetch("/report", { method: "POST", body: JSON.stringify(result) });
}

/** Resolves when `target` fires `name`; rejects when the video fails or nothing happens. */
function fired(video, target, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} at ${video.currentTime} s`)), 15000);
    const done = (finish) => () => {
      clearTimeout(timer);
      finish();
    };
    target.addEventListener(name, done(resolve), { once: true });
    video.addEventListener("error", done(() => reject(new Error(`video: ${video.error?.message}`))), { once: true });
  });
}

/** The brightness of the picture that is shown, small, row by row. */
function luma(video) {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, WIDTH, HEIGHT);
  const pixels = context.getImageData(0, 0, WIDTH, HEIGHT).data;
  const gray = [];
  for (let at = 0; at < pixels.length; at += 4) gray.push(pixels[at + 1]);
  return gray;
}

/** Shows the picture of one instant and reads it. */
async function look(video, at) {
  const shown = new Promise((resolve) => video.requestVideoFrameCallback((_, frame) => resolve(frame)));
  const seeked = fired(video, video, "seeked");
  video.currentTime = at;
  await seeked;
  const frame = await Promise.race([shown, new Promise((resolve) => setTimeout(resolve, 3000))]);
  return { at, media_time: frame ? frame.mediaTime : null, luma: luma(video) };
}

/** Plays from `start` for some seconds of film, then looks at every instant of `instants`. */
async function watch(video, start, seconds, instants) {
  if (video.readyState < HTMLMediaElement.HAVE_METADATA) await fired(video, video, "loadedmetadata");
  // What begins with a later chunk has nothing at zero.
  if (Math.abs(video.currentTime - start) > 0.01) await look(video, start);
  await video.play();
  const begun = performance.now();
  while (video.currentTime < start + seconds) {
    if (performance.now() - begun > seconds * 1000 + 10000) throw new Error(`stalled at ${video.currentTime} s`);
    await fired(video, video, "timeupdate");
  }
  video.pause();
  const quality = video.getVideoPlaybackQuality();
  const result = {
    width: video.videoWidth,
    height: video.videoHeight,
    duration: video.duration,
    current_time: video.currentTime,
    frames: quality.totalVideoFrames,
    corrupted: quality.corruptedVideoFrames,
    audio_bytes: video.webkitAudioDecodedByteCount,
    buffered: ranges(video.buffered),
    looks: [],
  };
  for (const at of instants) result.looks.push(await look(video, at));
  return result;
}

function ranges(buffered) {
  return Array.from({ length: buffered.length }, (_, index) => [buffered.start(index), buffered.end(index)]);
}

/** Runs a page's work and reports its result or what went wrong. */
async function run(work) {
  try {
    const plan = await (await fetch("/plan")).json();
    const video = document.querySelector("video");
    await report({ result: await work(video, plan) });
  } catch (error) {
    await report({ error: `${error}` });
  }
}
