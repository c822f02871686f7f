//! Recordings good and bad.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use hoga_model::Faulty;
use hoga_model::time::ManualClock;

use super::*;
use crate::error::BoxError;
use crate::frame::{Message, read_frame};

#[derive(Default)]
struct Taken {
    frames: Vec<(Bytes, i64)>,
    idles: usize,
    states: Vec<SessionState>,
}

impl Handler for Taken {
    fn on_frame(&mut self, frame: Bytes, recv_ms: i64) -> Result<(), BoxError> {
        self.frames.push((frame, recv_ms));
        Ok(())
    }

    fn on_idle(&mut self) -> Result<(), BoxError> {
        self.idles += 1;
        Ok(())
    }

    fn on_state(&mut self, state: SessionState) {
        self.states.push(state);
    }
}

async fn play(file: &Path) -> (Taken, Result<u64, UpbitError>) {
    let mut taken = Taken::default();
    let clock = Arc::new(ManualClock::at(77));
    let answer = replay(file, clock, CancellationToken::new(), &mut taken).await;
    (taken, answer)
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[tokio::test]
async fn a_recording_with_times_of_receipt() {
    let (taken, answer) = play(&fixture("ws_simple_2021-04-17.jsonl")).await;
    assert_eq!(answer.unwrap(), 224);
    assert_eq!(taken.frames.len(), 224);
    assert_eq!(taken.frames[0].1, 1_618_678_263_010, "1618678263.010785 is cut");
    assert_eq!(taken.states, [SessionState::Replayed { frames: 224 }]);
    let mut messages = Vec::new();
    for (frame, _) in &taken.frames {
        read_frame(frame, &mut messages);
    }
    assert!(messages.iter().all(|message| matches!(message, Message::Event(_))));
}

#[tokio::test]
async fn bad_lines_are_handed_over_and_empty_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frames.jsonl");
    std::fs::write(&file, "{\"status\":\"UP\"}\r\n\n  \n\u{0}not json\n[1]").unwrap();
    let (taken, answer) = play(&file).await;
    assert_eq!(answer.unwrap(), 3);
    let frames: Vec<&[u8]> = taken.frames.iter().map(|(frame, _)| &frame[..]).collect();
    assert_eq!(frames, [&b"{\"status\":\"UP\"}"[..], b"\0not json", b"[1]"]);
    assert!(taken.frames.iter().all(|(_, recv_ms)| *recv_ms == 77));
    assert!(taken.idles > 0);
}

#[tokio::test]
async fn a_line_over_the_limit_is_one_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frames.jsonl");
    for (length, expected) in [
        (FRAME_BYTES_MAX, FRAME_BYTES_MAX),
        (FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX + 1),
        (FRAME_BYTES_MAX * 3, FRAME_BYTES_MAX + 1),
    ] {
        for ending in ["\n{\"status\":\"UP\"}\n", "\n", ""] {
            std::fs::write(&file, format!("first\n{}{ending}", "x".repeat(length))).unwrap();
            let (taken, answer) = play(&file).await;
            let frames = answer.unwrap();
            assert_eq!(frames, if ending.len() > 1 { 3 } else { 2 }, "{length} {ending:?}");
            assert_eq!(taken.frames[1].0.len(), expected);
        }
    }
}

#[tokio::test]
async fn every_length_of_line_around_the_size_of_a_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frames.jsonl");
    let lines: Vec<String> = (0..6).map(|n| "y".repeat(READ_BYTES / 2 - 2 + n)).collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (taken, answer) = play(&file).await;
    assert_eq!(answer.unwrap(), 6);
    for (line, (frame, _)) in lines.iter().zip(&taken.frames) {
        assert!(line.as_bytes() == &frame[..], "line of {} bytes", line.len());
    }
}

#[tokio::test]
async fn mistakes_name_the_file_and_the_line() {
    let (_, answer) = play(Path::new("/nowhere/frames.jsonl")).await;
    let error = answer.unwrap_err();
    assert_eq!(error.fault(), hoga_model::Fault::User);
    assert!(error.to_string().starts_with("cannot open /nowhere/frames.jsonl: No such file"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let (_, answer) = play(folder.path()).await;
    assert!(answer.unwrap_err().to_string().contains("is a directory"));

    let file = folder.path().join("frames.jsonl");
    std::fs::write(&file, "{}\n{}\n{}\n").unwrap();
    std::fs::write(folder.path().join("frames.recv_ts.txt"), "1.5\nnoon\n").unwrap();
    let (taken, answer) = play(&file).await;
    assert_eq!(taken.frames.len(), 1);
    let text = answer.unwrap_err().to_string();
    assert!(text.ends_with("frames.recv_ts.txt:2: \"noon\" is not a time in seconds since 1970"), "{text}");
    std::fs::write(folder.path().join("frames.recv_ts.txt"), "1.5\n2").unwrap();
    let text = play(&file).await.1.unwrap_err().to_string();
    assert!(text.contains("frames.recv_ts.txt:3: this line's time of receipt is missing"), "{text}");
}

#[tokio::test]
async fn it_stops_when_it_is_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frames.jsonl");
    std::fs::write(&file, "{}\n".repeat(FRAMES_PER_BATCH_MAX * 3)).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let mut taken = Taken::default();
    let frames = replay(&file, Arc::new(ManualClock::at(0)), cancel, &mut taken).await.unwrap();
    assert_eq!(frames, FRAMES_PER_BATCH_MAX as u64);
    assert_eq!(taken.idles, 1);
}
