//! How deep a pattern can match.

use super::wildcard::Wildcard;

/// Says below which directories a pattern can match.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// What the leading components of a matching path look like.
    leading: Vec<Wildcard>,
    /// Whether any number of components may follow; otherwise none.
    open: bool,
}

impl Reach {
    /// Looks at a clean pattern.
    ///
    /// From the first component with `**` on, every depth is possible; so it is from the first set on, because a
    /// complement may contain the slash and then components are no longer aligned.
    pub(super) fn new(pattern: &str) -> Self {
        let mut leading = Vec::new();
        for component in pattern.split('/') {
            if component.contains("**") || component.contains('[') {
                return Self { leading, open: true };
            }
            match Wildcard::parse(component) {
                Ok(wildcard) => leading.push(wildcard),
                Err(_) => return Self { leading, open: true },
            }
        }
        Self { leading, open: false }
    }

    /// Returns whether the pattern could match a path below the directory.
    pub(super) fn below(&self, directory: &[u8]) -> bool {
        let mut components = directory.split(|&byte| byte == b'/');
        let mut leading = self.leading.iter();
        loop {
            match (leading.next(), components.next()) {
                (Some(wildcard), Some(component)) if wildcard.matches(component) => {}
                (Some(_), Some(_)) => return false,
                (Some(_), None) => return true,
                (None, _) => return self.open,
            }
        }
    }
}
