//! How instructions stand in an image's history: in the forms that `docker history` users know from `BuildKit`.

use lrops_model::oci::Healthcheck;

use crate::syntax::quoted;

/// The comment of every entry.
pub const HISTORY_COMMENT: &str = "buildkit.dockerfile.v0";

/// `["a" "b"]`: a list of quoted words.
pub(super) fn quoted_list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(" "))
}

/// `[a b]`: a list of bare words.
pub(super) fn bare_list(words: &[String]) -> String {
    format!("[{}]", words.join(" "))
}

/// `{Test:[CMD true] Interval:30s …}`.
pub(super) fn healthcheck(check: &Healthcheck) -> String {
    format!(
        "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        bare_list(&check.test),
        duration(check.interval),
        duration(check.timeout),
        duration(check.start_period),
        duration(check.start_interval),
        check.retries
    )
}

/// Nanoseconds as Go writes a duration: `1m30s`, `1.5s`, `0s`.
fn duration(nanoseconds: i64) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    if seconds == 0 && rest != 0 {
        return match rest {
            rest if rest % 1_000_000 == 0 => format!("{}ms", rest / 1_000_000),
            rest if rest % 1_000 == 0 => format!("{}µs", rest / 1_000),
            rest => format!("{rest}ns"),
        };
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{rest:09}");
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    match (hours, minutes) {
        (0, 0) => format!("{seconds}{fraction}s"),
        (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (30_000_000_000, "30s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (1_500_000_000, "1.5s"),
            (5_000_000, "5ms"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
    }
}
