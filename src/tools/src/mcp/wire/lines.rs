//! The messages of a program, one a line.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
};

use super::slim;

/// Between the program and the session, in bytes.
const BUFFER: usize = 64 * 1024;

/// The lines of a program's output, the large ones made small. Ends with the output, and with a line over the limit;
/// `too_large` tells which.
pub(crate) fn lines(
    output: impl AsyncRead + Send + Unpin + 'static,
    limit: usize,
    too_large: Arc<AtomicBool>,
) -> DuplexStream {
    let (ours, theirs) = duplex(BUFFER);
    tokio::spawn(hand_on(BufReader::new(output), theirs, limit, too_large));
    ours
}

async fn hand_on(
    mut output: BufReader<impl AsyncRead + Unpin>,
    mut to: DuplexStream,
    limit: usize,
    too_large: Arc<AtomicBool>,
) {
    // With its line break.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    loop {
        let mut line = Vec::new();
        match (&mut output).take(most).read_until(b'\n', &mut line).await {
            // What is not ended by a line break is no whole message.
            Ok(1..) if line.ends_with(b"\n") => {}
            Ok(1..) if line.len() as u64 == most => return too_large.store(true, Ordering::Relaxed),
            Ok(_) | Err(_) => return,
        }
        // What is no text is no message.
        let Ok(message) = String::from_utf8(line) else { continue };
        let Some(mut message) = slim::text(message).await else { continue };
        if !message.ends_with('\n') {
            message.push('\n');
        }
        if to.write_all(message.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    async fn check(said: String, limit: usize, want: &[Value], want_too_large: bool) {
        let too_large = Arc::<AtomicBool>::default();
        let mut lines = lines(std::io::Cursor::new(said), limit, Arc::clone(&too_large));
        let mut got = String::new();
        lines.read_to_string(&mut got).await.unwrap();
        let got: Vec<Value> = got.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((got.as_slice(), too_large.load(Ordering::Relaxed)), (want, want_too_large));
    }

    #[actix_rt::test]
    async fn large_lines_go_on_as_small_ones() {
        let (small, text) = (json!({"id": 1, "method": "m"}), "x".repeat(100_000));
        let large = json!({"jsonrpc": "2.0", "id": 2, "error": {"code": 3, "message": text}});
        let slim = json!({"jsonrpc": "2.0", "id": 2, "error": {"code": 3, "message": &text[..4096]}});
        let said = format!("{small}\n{large}\n{}\n{small}\n{small}", "junk".repeat(5000));
        check(said, 1_000_000, &[small.clone(), slim, small], false).await;
    }

    #[actix_rt::test]
    async fn a_line_over_the_limit_is_the_end() {
        let small = json!({"id": 1, "method": "m"});
        check(format!("{small}\n{}\n{small}\n", "x".repeat(51)), 50, &[small], true).await;
    }
}
