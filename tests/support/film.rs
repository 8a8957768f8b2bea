//! Judging files with FFmpeg: what is in them, which pictures they show when, and how they sound.

use capture::pattern;
use model::{Rect, Size};
use serde_json::Value;
use stands::{
    codes::{self, Area},
    process::{output, text, tool},
};
use std::path::Path;

/// Pixels across of a picture as it is read back, ten for each cell of a synthetic code.
const WIDTH: usize = 280;
/// Pixels down.
const HEIGHT: usize = 72;
const SIZE: Size = Size { width: WIDTH as u32, height: HEIGHT as u32 };

/// What ffprobe says about the container and its streams. Fails the test where it finds a fault.
pub fn probe(file: &Path) -> Value {
    let mut command = tool("ffprobe");
    command.args(["-v", "warning", "-of", "json", "-show_format", "-show_streams"]).arg(file);
    let output = output(&mut command);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "ffprobe on {}: {complaints}", file.display());
    serde_json::from_slice(&output.stdout).expect("ffprobe writes JSON")
}

/// The streams of this kind, `video` or `audio`.
pub fn streams(file: &Path, kind: &str) -> Vec<Value> {
    let found = probe(file);
    let streams = found["streams"].as_array().cloned().unwrap_or_default();
    streams.into_iter().filter(|stream| stream["codec_type"] == kind).collect()
}

/// Pixels across and down of the first picture stream.
pub fn size(file: &Path) -> (u64, u64) {
    let video = streams(file, "video");
    let side = |name: &str| video.first().and_then(|video| video[name].as_u64()).unwrap_or_default();
    (side("width"), side("height"))
}

/// How long it plays, in seconds.
pub fn duration(file: &Path) -> f64 {
    let text = probe(file)["format"]["duration"].as_str().map(str::to_owned).unwrap_or_default();
    text.parse().unwrap_or_else(|_| panic!("{} has no duration", file.display()))
}

/// One decoded picture, small and gray.
#[derive(Debug, Clone)]
pub struct Picture {
    /// When it is shown, in seconds of the file.
    pub at: f64,
    luma: Vec<u8>,
}

impl Picture {
    /// Mean brightness from 0 to 255 of a part of the picture, given as shares of its sides: x, y, width, height.
    pub fn brightness(&self, (x, y, width, height): Area) -> f64 {
        let range = |from: f64, length: f64, side: usize| {
            let first = ((from * side as f64).round() as usize).min(side - 1);
            let end = (((from + length) * side as f64).round() as usize).clamp(first + 1, side);
            first..end
        };
        let rows = range(y, height, HEIGHT).flat_map(|row| {
            let columns = range(x, width, WIDTH);
            self.luma[row * WIDTH..][columns].iter().map(|luma| f64::from(*luma))
        });
        let (sum, count) = rows.fold((0.0, 0.0), |(sum, count), luma| (sum + luma, count + 1.0));
        sum / count
    }

    /// From brightness values as a browser's page reports them.
    pub fn from_report(report: &Value) -> Self {
        let luma = report["luma"].as_array().expect("a report has brightness values");
        let luma: Vec<u8> = luma.iter().filter_map(|value| u8::try_from(value.as_u64()?).ok()).collect();
        assert_eq!(luma.len(), WIDTH * HEIGHT, "pages and tests agree on the size");
        Self { at: report["at"].as_f64().unwrap_or_default(), luma }
    }

    /// The counter of the synthetic source, if it is there.
    pub fn synthetic_code(&self) -> Option<u32> {
        pattern::read_code(SIZE, |x, y| self.luma_at(x, y))
    }

    /// Whether the synthetic source's flash is on.
    pub fn flash(&self) -> bool {
        pattern::read_flash(SIZE, |x, y| self.luma_at(x, y))
    }

    fn luma_at(&self, x: u32, y: u32) -> u8 {
        self.luma[y as usize * WIDTH + x as usize]
    }

    /// The code that fills the picture, if one can be read without doubt.
    pub fn code(&self) -> Option<u32> {
        self.code_in((0.0, 0.0, 1.0, 1.0))
    }

    /// The code that fills this part of the picture, if one can be read without doubt.
    pub fn code_in(&self, area: Area) -> Option<u32> {
        codes::read(area, |area| self.brightness(area))
    }
}

/// The pictures of a file, decoded, each exactly once.
#[derive(Debug)]
pub struct Film {
    /// In the order in which they are shown.
    pub pictures: Vec<Picture>,
}

impl Film {
    /// Decodes all of it. Fails the test where the decoder complains.
    pub fn decode(file: &Path) -> Self {
        Self::decode_through(file, "null")
    }

    /// Decodes only this part of each picture, in pixels, as if it were all.
    pub fn decode_part(file: &Path, part: Rect) -> Self {
        let Rect { x, y, width, height } = part;
        Self::decode_through(file, &format!("crop={width}:{height}:{x}:{y}:exact=1"))
    }

    /// The same, with left and right changed, as in a mirror.
    pub fn decode_mirrored(file: &Path, part: Rect) -> Self {
        let Rect { x, y, width, height } = part;
        Self::decode_through(file, &format!("crop={width}:{height}:{x}:{y}:exact=1,hflip"))
    }

    /// `filter` is of FFmpeg's.
    fn decode_through(file: &Path, filter: &str) -> Self {
        let mut command = tool("ffmpeg");
        // `showinfo` tells the time of exactly those pictures that come out, `copyts` leaves it as it is.
        command.args(["-nostdin", "-hide_banner", "-copyts", "-i"]).arg(file);
        let filter = format!("{filter},scale={WIDTH}:{HEIGHT}:flags=area,format=gray,showinfo=checksum=0");
        // With the file's own time base: two pictures may come closer to each other than its mean rate.
        command.args(["-map", "0:v:0", "-vf", &filter, "-fps_mode", "passthrough", "-enc_time_base", "-1"]);
        let output = output(command.args(["-f", "rawvideo", "-"]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ffmpeg on {}: {said}", file.display());
        let times = said.lines().filter(|line| line.contains("Parsed_showinfo")).filter_map(|line| {
            line.split_once("pts_time:")?.1.split_whitespace().next()?.parse::<f64>().ok()
        });
        let pictures: Vec<_> = times
            .zip(output.stdout.chunks_exact(WIDTH * HEIGHT))
            .map(|(at, luma)| Picture { at, luma: luma.to_vec() })
            .collect();
        assert_eq!(pictures.len() * WIDTH * HEIGHT, output.stdout.len(), "a time for every picture");
        assert_complaint_free(file);
        Self { pictures }
    }

    /// The codes that can be read, with the time at which each is shown.
    pub fn codes(&self) -> Vec<(f64, u32)> {
        self.pictures.iter().filter_map(|picture| Some((picture.at, picture.code()?))).collect()
    }
}

/// The mean colour of a part of the picture, in pixels, as red, green and blue; of the picture that is shown at `at`
/// seconds of the file.
pub fn color(file: &Path, at: f64, part: Rect) -> [u8; 3] {
    let Rect { x, y, width, height } = part;
    let mut command = tool("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(file);
    // Pictures stand for long: the last one that began before then is the one that is shown.
    let filter =
        format!("trim=end={at},crop={width}:{height}:{x}:{y}:exact=1,scale=1:1:flags=area,format=rgb24");
    command.args(["-map", "0:v:0", "-vf", &filter, "-fps_mode", "passthrough", "-enc_time_base", "-1"]);
    let output = output(command.args(["-f", "rawvideo", "-"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "ffmpeg on {}: {said}", file.display());
    let colors = output.stdout.as_chunks::<3>().0;
    *colors.last().unwrap_or_else(|| panic!("no picture begins before {at} s of {}", file.display()))
}

/// Decodes everything in a file once more and fails the test where FFmpeg finds anything wrong.
pub fn assert_complaint_free(file: &Path) {
    let mut command = tool("ffmpeg");
    command.args(["-nostdin", "-v", "warning", "-xerror", "-i"]).arg(file);
    // With the file's own time base: two pictures may come closer to each other than its mean rate.
    command.args(["-fps_mode", "passthrough", "-enc_time_base", "-1"]);
    let output = output(command.args(["-f", "null", "-"]));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", file.display());
}

/// Decoded sound of one channel.
#[derive(Debug, Clone)]
pub struct Pcm {
    /// When the first sample is heard, in seconds of the file.
    pub start: f64,
    /// Samples a second.
    pub rate: u32,
    /// Full scale is ±1.
    pub samples: Vec<f32>,
    /// Where sound does not go on exactly where it ended, and how many seconds later it does.
    pub seams: Vec<(f64, f64)>,
}

/// A packet of AAC in seconds, and a little more.
const PACKET: f64 = 1024.0 / 48_000.0 + 0.001;

impl Pcm {
    /// Like [`Self::decode_with_holes`], but fails the test where there are any. Seams of less than a packet are none:
    /// they are where a pause was left out.
    pub fn decode(file: &Path, stream: usize) -> Self {
        let pcm = Self::decode_with_holes(file, stream);
        let hole = pcm.seams.iter().find(|seam| seam.1.abs() >= PACKET);
        assert_eq!(hole, None, "sound breaks off in {}", file.display());
        pcm
    }

    /// Decodes a sound stream, all channels mixed into one, and puts all of it where its timestamps say. What they
    /// leave out is silent.
    pub fn decode_with_holes(file: &Path, stream: usize) -> Self {
        let mut command = tool("ffmpeg");
        command.args(["-nostdin", "-hide_banner", "-copyts", "-i"]).arg(file);
        command.args(["-map", &format!("0:a:{stream}"), "-af", "ashowinfo", "-ac", "1", "-f", "f32le", "-"]);
        let output = output(&mut command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ffmpeg on {}: {said}", file.display());
        let number = |line: &str, name: &str| -> Option<f64> {
            line.split_once(name)?.1.split_whitespace().next()?.parse().ok()
        };
        let mut blocks = said.lines().filter(|line| line.contains("Parsed_ashowinfo")).filter_map(|line| {
            Some((number(line, "pts_time:")?, number(line, "nb_samples:")?, number(line, " rate:")?))
        });
        let mut decoded = output.stdout.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let (start, count, rate) = blocks.next().expect("a sound stream has sound");
        let mut pcm = Self { start, rate: rate as u32, samples: Vec::new(), seams: Vec::new() };
        pcm.samples.extend(decoded.by_ref().take(count as usize));
        for (at, count, _) in blocks {
            let off = at - pcm.end();
            if off.abs() > 0.001 {
                pcm.seams.push((at, off));
            }
            // Of what overlaps, the later is heard.
            pcm.samples.resize(((at - start) * rate).round() as usize, 0.0);
            pcm.samples.extend(decoded.by_ref().take(count as usize));
        }
        assert_eq!(decoded.next(), None, "a time for every sample");
        pcm
    }

    /// When it ends, in seconds of the file.
    pub fn end(&self) -> f64 {
        self.start + self.samples.len() as f64 / f64::from(self.rate)
    }

    /// What is heard between two instants of the file.
    pub fn between(&self, from: f64, to: f64) -> &[f32] {
        let index = |at: f64| {
            let index = ((at - self.start) * f64::from(self.rate)).round().max(0.0) as usize;
            index.min(self.samples.len())
        };
        &self.samples[index(from)..index(to).max(index(from))]
    }
}

/// The first line of ffprobe's description, for messages.
pub fn describe(file: &Path) -> String {
    text(
        tool("ffprobe")
            .args(["-v", "error", "-show_entries", "format=duration,size", "-of", "csv"])
            .arg(file),
    )
}
