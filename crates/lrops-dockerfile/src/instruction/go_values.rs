//! Values that the reference reads with Go's own libraries: truth values, durations, sizes.

use std::time::Duration;

use crate::syntax::quoted;

/// Reads a truth value as `strconv.ParseBool` does.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Reads an amount of memory as `units.RAMInBytes` does: `64m`, `1.5 GiB`, `512`.
pub(super) fn memory_size(text: &str) -> Option<u64> {
    let last = text.rfind(|character: char| character.is_ascii_digit() || matches!(character, '.' | ' '))?;
    let number = text[..=last].strip_suffix(' ').unwrap_or(&text[..=last]);
    let number: f64 = number
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    let unit = text[last + 1..].to_ascii_lowercase();
    let factor = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" if unit == "ib" => return None,
        "" => 1.0,
        "k" => 1024.0,
        "m" => f64::powi(1024.0, 2),
        "g" => f64::powi(1024.0, 3),
        "t" => f64::powi(1024.0, 4),
        "p" => f64::powi(1024.0, 5),
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and the cast saturates"
    )]
    Some((number * factor) as u64)
}

/// A duration as Go writes it, which may be below zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignedDuration {
    Negative,
    Positive(Duration),
}

/// Reads a duration as `time.ParseDuration` does: `1h30m`, `1.5s`, `100ms`, `0`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(SignedDuration::Positive(Duration::ZERO));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let length = after
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        if !number.contains(|character: char| character.is_ascii_digit()) || number.matches('.').count() > 1 {
            return Err(invalid());
        }
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quoted(text)));
        }
        let scale = nanoseconds_in(unit)
            .ok_or_else(|| format!("time: unknown unit {} in duration {}", quoted(unit), quoted(text)))?;
        nanoseconds = scaled(number, scale)
            .and_then(|part| nanoseconds.checked_add(part))
            .filter(|sum| i64::try_from(*sum).is_ok())
            .ok_or_else(invalid)?;
        rest = after;
    }
    if negative && nanoseconds > 0 {
        return Ok(SignedDuration::Negative);
    }
    Ok(SignedDuration::Positive(Duration::from_nanos(nanoseconds)))
}

fn nanoseconds_in(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Multiplies a decimal number without rounding its whole part; digits below a nanosecond are dropped.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut sum = whole.checked_mul(scale)?;
    // Hours have 13 digits in nanoseconds: what stands behind the 15th digit counts nothing.
    let digits = &fraction[..fraction.len().min(15)];
    if !digits.is_empty() {
        let divisor = 10_u128.pow(u32::try_from(digits.len()).ok()?);
        let part = digits.parse::<u128>().ok()? * u128::from(scale) / divisor;
        sum = sum.checked_add(u64::try_from(part).ok()?)?;
    }
    Some(sum)
}
