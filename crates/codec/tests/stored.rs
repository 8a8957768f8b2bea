//! Pictures from stored chunks: at any instant, in any order, and where chunks are gone or broken.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use bytes::Bytes;
use media::{ChunkPolicy, Chunker};
use model::{Chunk, Frames, Init, Nv12, Piece, SessionId, Size, Timestamp, TrackId};
use spool_codec::{ReadChunk, Speed, StoredFrames, StoredTrack, VideoCodec, VideoConfig, VideoEncoder};
use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

const SIZE: Size = Size { width: 64, height: 48 };

/// Chunks by index.
type Shelf = Rc<RefCell<BTreeMap<u32, Bytes>>>;

fn id() -> TrackId {
    "screen".parse().unwrap()
}

fn millis(millis: i64) -> Timestamp {
    Timestamp(millis * 1_000_000)
}

/// Twelve seconds with a picture each 100 ms, whose number is its brightness.
fn recorded(codec: VideoCodec) -> (StoredTrack, Shelf) {
    let config = VideoConfig {
        codec,
        size: SIZE,
        fps: 10,
        crf: 5.0,
        max_bitrate: 10_000_000,
        speed: Speed::Ultrafast,
    };
    let mut encoder = VideoEncoder::open(&config).unwrap();
    let session = SessionId("01920000-0000-7000-8000-000000000001".parse().unwrap());
    let mut chunker = Chunker::new(session, id(), encoder.config(), ChunkPolicy::default(), 1).unwrap();
    for number in 0..120 {
        if number % 40 == 0 {
            encoder.request_keyframe();
        }
        let luma = vec![16 + number as u8; 64 * 48];
        let picture = Nv12 { size: SIZE, stride: 64, luma: &luma, chroma: &[128; 64 * 24] };
        encoder.push(picture, millis(number * 100)).unwrap();
        while let Some(packet) = encoder.poll().unwrap() {
            chunker.push(packet).unwrap();
        }
    }
    chunker.seal(millis(12_000));
    let (mut inits, mut chunks, mut bytes) = (Vec::<Init>::new(), Vec::<Chunk>::new(), BTreeMap::new());
    while let Some(piece) = chunker.poll() {
        match piece {
            Piece::Init(init) => inits.push(init),
            Piece::Part(part) => {
                bytes.entry(part.chunk.index).or_insert_with(Vec::new).extend_from_slice(&part.bytes);
            }
            Piece::Seal(chunk) => chunks.push(chunk),
        }
    }
    assert_eq!((inits.len(), chunks.len()), (1, 3));
    let shelf = bytes.into_iter().map(|(index, bytes)| (index, Bytes::from(bytes))).collect();
    (StoredTrack { id: id(), inits, chunks }, Rc::new(RefCell::new(shelf)))
}

fn frames((track, shelf): &(StoredTrack, Shelf)) -> StoredFrames<'static> {
    let shelf = Rc::clone(shelf);
    let read: ReadChunk<'static> = Box::new(move |chunk| shelf.borrow().get(&chunk.id.index).cloned());
    StoredFrames::new(vec![track.clone()], read).unwrap()
}

/// The number of the picture at this time, if there is one.
fn check(frames: &mut StoredFrames<'_>, at: i64, expected: Option<u8>) {
    let frame = frames.frame(&id(), millis(at));
    let number = frame.as_ref().map(|frame| frame.picture.bytes[64 * 20 + 30] - 16);
    let near = number.zip(expected).is_some_and(|(number, expected)| number.abs_diff(expected) <= 1);
    assert!(near || (number, expected) == (None, None), "{number:?} at {at} ms, not {expected:?}");
    if let Some(frame) = frame {
        assert!(frame.at <= millis(at) && frame.picture.size == SIZE);
    }
}

#[test]
fn the_newest_picture_is_given_in_any_order() {
    for codec in [VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1] {
        let recorded = recorded(codec);
        let mut frames = frames(&recorded);
        check(&mut frames, -1, None);
        for at in (0..12_000).step_by(350) {
            check(&mut frames, at, Some((at / 100) as u8));
        }
        for at in [11_999, 4000, 3999, 0, 50_000, 8050, 8049, 7000, 7000] {
            check(&mut frames, at, Some((at / 100).min(119) as u8));
        }
        assert_eq!(frames.take_lost(), []);
    }
}

#[test]
fn the_same_picture_has_the_same_number_and_another_a_higher_one() {
    let mut frames = frames(&recorded(VideoCodec::H264));
    let mut serial = |at| frames.frame(&id(), millis(at)).unwrap().serial;
    let serials = [0, 50, 99, 100, 101, 4000, 200].map(&mut serial);
    assert!(serials[0] == serials[2] && serials[3] == serials[4]);
    assert!(serials[0] < serials[3] && serials[3] < serials[5] && serials[5] < serials[6]);
}

#[test]
fn times_are_known_without_decoding() {
    let recorded = recorded(VideoCodec::H264);
    recorded.1.borrow_mut().clear();
    let frames = frames(&recorded);
    let next = |at| frames.next_after(&id(), millis(at));
    assert_eq!([-5, 0, 50, 3900, 11_850].map(next), [0, 100, 100, 4000, 11_900].map(|at| Some(millis(at))));
    assert_eq!(next(11_900), None);
}

#[test]
fn the_picture_before_what_is_lost_stands() {
    let recorded = recorded(VideoCodec::H264);
    recorded.1.borrow_mut().remove(&2);
    for forward in [true, false] {
        let mut frames = frames(&recorded);
        if forward {
            check(&mut frames, 3000, Some(30));
        }
        check(&mut frames, 5000, Some(39));
        check(&mut frames, 8000, Some(80));
        check(&mut frames, 7999, Some(39));
        assert_eq!(frames.take_lost(), [recorded.0.chunks[1].id.clone()]);
        assert_eq!(frames.take_lost(), []);
    }
}

#[test]
fn broken_packets_are_named_and_what_comes_later_is_shown() {
    let recorded = recorded(VideoCodec::H264);
    for seed in 0..40usize {
        let whole = recorded.1.borrow()[&2].clone();
        let mut bytes = whole.to_vec();
        for place in (600 + seed..bytes.len()).step_by(97 + seed) {
            bytes[place] ^= 0x5a;
        }
        recorded.1.borrow_mut().insert(2, bytes.into());
        let mut frames = frames(&recorded);
        for at in (3900..8000).step_by(100) {
            assert!(frames.frame(&id(), millis(at)).is_some());
        }
        check(&mut frames, 8000, Some(80));
        let lost = frames.take_lost();
        assert!(lost.len() <= 1 && lost.iter().all(|id| id.index == 2), "{lost:?}");
        recorded.1.borrow_mut().insert(2, whole);
    }
}
