//! Amounts as people read them.

/// Returns a number of bytes with three digits and a decimal unit, as Docker shows sizes.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut amount = bytes as f64 / 1000.0;
    let mut unit = 0;
    while amount >= 999.5 && unit + 1 < UNITS.len() {
        amount /= 1000.0;
        unit += 1;
    }
    let digits = match amount {
        amount if amount < 9.995 => 2,
        amount if amount < 99.95 => 1,
        _ => 0,
    };
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// Returns a number of bytes that was measured, such as a rate.
pub(crate) fn rounded_size(bytes: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is not negative, and a cast to an integer saturates"
    )]
    let bytes = bytes as u64;
    size(bytes)
}

/// Returns a duration as a person would say it: `0.4s`, `12.3s`, `2m 05s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{seconds:.1}s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no build takes 2^64 seconds"
    )]
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{}m {:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h {:02}m", whole / 3600, whole % 3600 / 60)
    }
}

/// Returns a number with its noun: `1 step`, `3 steps`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        let sizes = [
            0,
            999,
            1000,
            9_994,
            12_345,
            123_456,
            999_499,
            999_500,
            1_500_000_000,
        ]
        .map(size);
        assert_eq!(
            sizes,
            [
                "0 B", "999 B", "1.00 kB", "9.99 kB", "12.3 kB", "123 kB", "999 kB", "1.00 MB", "1.50 GB"
            ]
        );
        assert_eq!(
            [0.04, 12.34, 125.0, 7325.0].map(seconds),
            ["0.0s", "12.3s", "2m 05s", "2h 02m"]
        );
        assert_eq!([count(1, "step"), count(0, "step")], ["1 step", "0 steps"]);
    }
}
