//! Whole lines from pieces of output.

/// The longest unfinished line that is kept, in bytes.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Collects pieces until a line is whole.
#[derive(Default)]
pub(super) struct Lines {
    partial: String,
}

impl Lines {
    /// Takes a piece, and returns the lines that it completes.
    pub(super) fn push(&mut self, piece: &str) -> Vec<String> {
        self.partial.push_str(piece);
        let mut lines = Vec::new();
        while let Some(end) = self.partial.find('\n') {
            let line: String = self.partial.drain(..=end).collect();
            lines.push(shown(&line));
        }
        if self.partial.len() > LINE_BYTES_MAX {
            lines.extend(self.rest());
        }
        lines
    }

    /// Returns what no line end followed.
    pub(super) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then(|| shown(&rest))
    }
}

/// A progress bar overwrites its line: what stands there last is shown.
fn shown(line: &str) -> String {
    let line = line.trim_end_matches(['\n', '\r']);
    line.rsplit('\r').next().unwrap_or(line).to_owned()
}
