use crate::{ChunkPolicy, MediaError, fixtures::*};
use expect_test::{Expect, expect};
use model::{Piece, Timestamp};
use std::{fmt::Write, time::Duration};

/// Pieces as text: for each part its span, and for each sample when it is decoded and shown, in milliseconds.
fn text(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Init(init) => writeln!(text, "init {}", init.track),
            Piece::Part(part) => {
                let mut decode = part.mark.decode_time as i64;
                let ms = |ticks: i64| (ticks as f64 / 0.09).round() / 1000.0;
                let samples = part.mark.samples.iter().map(|sample| {
                    let (at, key) = (decode, if sample.keyframe { "K" } else { "" });
                    decode += i64::from(sample.duration);
                    match sample.offset {
                        0 => format!(" {key}{}", ms(at)),
                        offset => format!(" {key}{}→{}", ms(at), ms(at + i64::from(offset))),
                    }
                });
                let samples: String = samples.collect();
                writeln!(text, "  part {}.{} {}:{samples}", part.chunk.index, part.index, part.mark.span)
            }
            Piece::Seal(chunk) => writeln!(text, "chunk {} {}", chunk.id.index, chunk.span),
        }
        .unwrap();
    }
    text
}

fn check(expected: &Expect, steps: impl FnOnce(&mut crate::Chunker) -> Result<(), MediaError>) {
    let mut chunker = chunker(&h264());
    steps(&mut chunker).unwrap();
    expected.assert_eq(&text(&drain(&mut chunker)));
}

#[test]
fn motion_gives_a_part_each_quarter_second_and_a_chunk_at_each_boundary() {
    let mut chunker = chunker(&h264());
    for at in (0..9000).step_by(50) {
        chunker.push(picture(at, at % 4000 == 0)).unwrap();
    }
    chunker.seal(millis(9000));
    let pieces = drain(&mut chunker);
    assert!(matches!(pieces[0], Piece::Init(_)));
    let spans: Vec<_> = chunks(&pieces).iter().map(|chunk| (chunk.span.start, chunk.span.end)).collect();
    assert_eq!(spans, [(0, 4000), (4000, 8000), (8000, 9000)].map(|(a, b)| (millis(a), millis(b))));
    assert_eq!(chunks(&pieces).iter().map(|chunk| chunk.parts.len()).collect::<Vec<_>>(), [16, 16, 4]);
    assert!(parts(&pieces).iter().all(|part| part.mark.samples.len() == 5));
}

#[test]
fn a_still_picture_is_decoded_at_the_parts_boundary_and_shown_on_time() {
    check(
        &expect![[r#"
            init program
              part 1.0 0.000s..0.250s: K0 100
              part 1.1 1.020s..1.250s: 250→1020
              part 1.2 1.300s..1.500s: 1250→1300 1350
        "#]],
        |chunker| {
            chunker.push(picture(0, true))?;
            chunker.push(picture(100, false))?;
            chunker.advance(millis(249));
            chunker.advance(millis(250));
            chunker.advance(millis(900));
            chunker.push(picture(1020, false))?;
            chunker.advance(millis(1250));
            chunker.push(picture(1300, false))?;
            // Nothing waits for its duration beyond the part's own cell.
            chunker.push(picture(1350, false))?;
            chunker.advance(millis(1400));
            chunker.push(picture(1500, false))
        },
    );
}

#[test]
fn still_chunks_meet_at_their_boundary() {
    check(
        &expect![[r#"
        init program
          part 1.0 3.800s..4.000s: K3800
        chunk 1 3.800s..4.000s
          part 2.0 4.600s..4.700s: K4000→4600
        chunk 2 4.600s..4.700s
    "#]],
        |chunker| {
            chunker.push(picture(3800, true))?;
            chunker.advance(millis(4600));
            chunker.push(picture(4600, true))?;
            chunker.seal(millis(4700));
            Ok(())
        },
    );
}

#[test]
fn a_chunk_begins_only_with_a_keyframe_of_a_later_cell() {
    check(
        &expect![[r#"
        init program
          part 1.0 3.000s..4.100s: K3000 K3100
          part 1.1 4.100s..4.200s: 4100
        chunk 1 3.000s..4.200s
          part 2.0 4.200s..4.300s: K4200
          part 2.1 4.300s..4.400s: K4300
        chunk 2 4.200s..4.400s
    "#]],
        |chunker| {
            chunker.push(picture(3000, true))?;
            chunker.push(picture(3100, true))?;
            chunker.push(picture(4100, false))?;
            chunker.push(picture(4200, true))?;
            chunker.push(picture(4300, true))?;
            chunker.seal(millis(4400));
            Ok(())
        },
    );
}

#[test]
fn a_pause_seals_and_the_next_chunk_begins_where_it_begins() {
    check(
        &expect![[r#"
        init program
          part 1.0 0.000s..0.100s: K0
        chunk 1 0.000s..0.100s
          part 2.0 7.050s..7.100s: K7050
        chunk 2 7.050s..7.100s
    "#]],
        |chunker| {
            chunker.push(picture(0, true))?;
            chunker.seal(millis(100));
            chunker.seal(millis(200));
            let refused = chunker.push(picture(7000, false));
            assert!(matches!(refused, Err(MediaError::NeedsKeyframe { .. })));
            chunker.push(picture(7050, true))?;
            chunker.seal(millis(7100));
            Ok(())
        },
    );
}

#[test]
fn time_that_goes_back_is_shown_as_early_as_can_be() {
    check(
        &expect![[r#"
        init program
          part 1.0 0.000s..0.500s: K0 200 200.011
          part 1.1 0.500s..0.500s: 500
        chunk 1 0.000s..0.500s
          part 2.0 0.500s..0.500s: K500.011
        chunk 2 0.500s..0.500s
    "#]],
        |chunker| {
            chunker.push(picture(-50, true))?;
            chunker.push(picture(200, false))?;
            chunker.push(picture(90, false))?;
            chunker.advance(millis(500));
            chunker.push(picture(300, false))?;
            chunker.seal(millis(0));
            chunker.push(picture(0, true))?;
            chunker.seal(millis(0));
            Ok(())
        },
    );
}

#[test]
fn sound_begins_with_its_priming_and_changes_chunk_at_the_boundary() {
    let mut chunker = chunker(&aac());
    for index in 0..400 {
        chunker.push(sound(index)).unwrap();
        chunker.advance(sound(index).at);
    }
    chunker.seal(sound(400).at);
    let pieces = drain(&mut chunker);
    let chunks = chunks(&pieces);
    assert_eq!(chunks[0].span.start, Timestamp::from_ticks(-1024, 48_000));
    assert_eq!(chunks[0].parts[0].decode_time, 0);
    // 4 s are 187.5 packets.
    assert_eq!(chunks[1].span.start, Timestamp::from_ticks(188 * 1024, 48_000));
    assert_eq!(chunks[1].span.start, chunks[0].span.end);
    let samples = parts(&pieces).iter().flat_map(|part| &part.mark.samples).collect::<Vec<_>>();
    assert_eq!(samples.len(), 400);
    assert!(samples.iter().all(|sample| sample.duration == 1024 && sample.offset == 0));
}

#[test]
fn sound_is_cut_where_it_is_sealed() {
    let mut chunker = chunker(&aac());
    chunker.push(sound(0)).unwrap();
    chunker.push(sound(1)).unwrap();
    chunker.seal(millis(10));
    // Long after its last sample, a track of sound still ends with it.
    chunker.push(sound(100)).unwrap();
    chunker.seal(millis(60_000));
    let pieces = drain(&mut chunker);
    let ends: Vec<_> = chunks(&pieces).iter().map(|chunk| chunk.span.end).collect();
    assert_eq!(ends, [millis(10), Timestamp::from_ticks(100 * 1024, 48_000)]);
}

#[test]
fn a_new_configuration_gives_an_init_only_if_it_differs() {
    let bigger = match h264() {
        model::CodecConfig::H264 { avcc, .. } => {
            model::CodecConfig::H264 { size: model::Size::new(640, 360), avcc }
        }
        other => other,
    };
    check(
        &expect![[r#"
        init program
          part 1.0 0.000s..0.050s: K0
        chunk 1 0.000s..0.050s
          part 2.0 0.050s..0.100s: K50
        chunk 2 0.050s..0.100s
        init program
          part 3.0 0.100s..0.150s: K100
        chunk 3 0.100s..0.150s
    "#]],
        |chunker| {
            chunker.push(picture(0, true))?;
            chunker.reconfigure(&h264(), millis(50))?;
            chunker.push(picture(50, true))?;
            chunker.reconfigure(&bigger, millis(100))?;
            // Nothing came in between, so nobody needs the init in between.
            chunker.reconfigure(&h264(), millis(100))?;
            chunker.reconfigure(&bigger, millis(100))?;
            chunker.push(picture(100, true))?;
            chunker.seal(millis(150));
            Ok(())
        },
    );
}

#[test]
fn what_is_on_record_beside_the_pictures_is_chunked_like_them() {
    let mut chunker = chunker(&model::CodecConfig::Json);
    chunker.push(picture(0, true)).unwrap();
    chunker.push(picture(100, false)).unwrap();
    chunker.advance(millis(3999));
    chunker.advance(millis(4100));
    chunker.push(picture(4100, true)).unwrap();
    chunker.seal(millis(4150));
    let expected = expect![[r#"
        init input
          part 1.0 0.000s..3.750s: K0 100
        chunk 1 0.000s..3.750s
          part 2.0 4.100s..4.150s: K3750→4100
        chunk 2 4.100s..4.150s
    "#]];
    expected.assert_eq(&text(&drain(&mut chunker)));
}

#[test]
fn longer_chunks_begin_with_the_next_one_and_end_on_their_own_boundaries() {
    let longer = ChunkPolicy::default().longer().unwrap();
    for codec in [h264(), aac()] {
        let mut chunker = chunker(&codec);
        let mut at = 0;
        let mut push = |chunker: &mut crate::Chunker, until: i64| {
            while at < until {
                chunker
                    .push(model::Packet { duration: Duration::from_millis(50), ..picture(at, true) })
                    .unwrap();
                at += 50;
            }
        };
        push(&mut chunker, 10_000);
        chunker.set_policy(longer);
        push(&mut chunker, 30_000);
        chunker.set_policy(ChunkPolicy::default());
        push(&mut chunker, 38_000);
        chunker.seal(millis(38_000));
        let pieces = drain(&mut chunker);
        let starts: Vec<_> = chunks(&pieces).iter().map(|chunk| chunk.span.start.0 / 1_000_000).collect();
        assert_eq!(starts, [0, 4000, 8000, 12_000, 16_000, 24_000, 32_000, 36_000]);
    }
}

#[test]
fn a_still_picture_ends_its_chunk_on_the_boundary_that_it_began_with() {
    check(
        &expect![[r#"
        init program
          part 1.0 3.000s..4.000s: K3000
        chunk 1 3.000s..4.000s
          part 2.0 5.100s..8.000s: K4000→5100
        chunk 2 5.100s..8.000s
          part 3.0 9.100s..9.200s: K8000→9100
        chunk 3 9.100s..9.200s
    "#]],
        |chunker| {
            chunker.push(picture(3000, true))?;
            chunker.set_policy(ChunkPolicy::default().longer().unwrap());
            chunker.advance(millis(5000));
            chunker.push(picture(5100, true))?;
            chunker.advance(millis(9000));
            chunker.push(picture(9100, true))?;
            chunker.seal(millis(9200));
            Ok(())
        },
    );
}

#[test]
fn packets_of_impossible_size_are_refused() {
    let mut chunker = chunker(&h264());
    let mut empty = picture(0, true);
    empty.bytes.clear();
    assert!(matches!(chunker.push(empty), Err(MediaError::PacketSize { size: 0, .. })));
    assert_eq!(chunker.poll(), None);
}

#[test]
fn impossible_times_are_taken_without_a_panic() {
    for at in [i64::MIN, i64::MIN / 2, -1, i64::MAX / 2, i64::MAX] {
        for codec in codecs() {
            let mut chunker = chunker(&codec);
            let at = Timestamp(at);
            chunker.push(model::Packet { at, duration: Duration::MAX, ..picture(0, true) }).unwrap();
            chunker.advance(at);
            chunker.push(picture(100, true)).unwrap();
            chunker.push(model::Packet { at, ..picture(0, true) }).unwrap();
            chunker.advance(Timestamp(i64::MAX));
            chunker.push(picture(100, true)).unwrap();
            chunker.reconfigure(&codec, at).unwrap();
            chunker.seal(at);
            assert!(!drain(&mut chunker).is_empty());
        }
    }
}

/// What holds for every sequence of packets.
#[test]
fn odd_tracks_keep_their_promises() {
    for seed in 0..150 {
        for codec in codecs() {
            let pieces = odd_track(&codec, seed);
            let mut decoded = 0;
            let mut shown = None;
            for part in parts(&pieces) {
                assert!(part.mark.decode_time >= decoded, "seed {seed}: decode time goes back");
                decoded = part.mark.decode_time;
                for sample in &part.mark.samples {
                    let at = decoded as i64 + i64::from(sample.offset);
                    assert!(sample.duration > 0 && sample.offset >= 0, "seed {seed}");
                    assert!(shown < Some(at), "seed {seed}: pictures change places");
                    (shown, decoded) = (Some(at), decoded + u64::from(sample.duration));
                }
            }
            for (chunk, index) in chunks(&pieces).iter().zip(1..) {
                assert_eq!(chunk.id.index, index, "seed {seed}");
                assert!(chunk.parts[0].independent, "seed {seed}");
                let bytes = bytes_of(&pieces, index);
                assert_eq!(
                    (chunk.size, chunk.hash),
                    (bytes.len() as u64, model::Hash::of(&bytes)),
                    "seed {seed}"
                );
            }
        }
    }
}
