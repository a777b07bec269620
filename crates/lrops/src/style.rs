//! Colours. All go through `anstream`, which leaves them out where they are not wanted (`NO_COLOR`, pipes).

use anstyle::{AnsiColor, Effects, Style};

/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What went wrong.
pub(crate) const BAD: Style = AnsiColor::BrightRed.on_default().effects(Effects::BOLD);
/// What needs a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
/// What stands out.
pub(crate) const ACCENT: Style = AnsiColor::Cyan.on_default();
/// What is of lesser importance.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
/// A heading.
pub(crate) const HEAD: Style = Style::new().effects(Effects::BOLD);

/// Returns a text in a style.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
