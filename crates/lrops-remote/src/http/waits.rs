//! Which failures pass, and how long to wait until the next attempt.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use lrops_model::cancel::{CancelToken, Cancelled};
use ureq::http::HeaderMap;

/// A longer wait than this, which a server asks for, is the user's to decide on.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(2);

/// Returns whether a server that answers so may answer otherwise after a while.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

/// Returns how long a server asks to be left alone: `Retry-After`, in seconds or as a date (RFC 9110, section 10.2.3). A date
/// is compared with the answer's own `Date`, so that it does not matter what time it is here.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text("retry-after")?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = date(asked)?.duration_since(date(text("date")?)?);
    Some(wait.try_into().unwrap_or(Duration::ZERO))
}

fn date(text: &str) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    PARSER.parse_timestamp(text).ok()
}

/// A wait that is longer than any that is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong(pub(crate) Duration);

/// Returns how long to wait until the next attempt: as planned, or as long as the server asks for, if that is longer. Asking
/// again earlier than it wants would only be another failure.
pub(crate) fn wait_for(planned: Duration, asked: Option<Duration>) -> Result<Duration, TooLong> {
    let asked = asked.unwrap_or_default();
    if asked > RETRY_AFTER_MAX {
        return Err(TooLong(asked));
    }
    Ok(with_jitter(planned.max(asked)))
}

/// Lengthens a wait by up to a quarter, so that many clients do not come back at once.
fn with_jitter(wait: Duration) -> Duration {
    let random = std::hash::RandomState::new().build_hasher().finish() % 256;
    wait + wait * u32::try_from(random).unwrap_or_default() / 1024
}

/// Waits, until the work is stopped.
pub(crate) fn pause(wait: Duration, cancel: &CancelToken) -> Result<(), Cancelled> {
    const STEP: Duration = Duration::from_millis(50);
    let mut left = wait;
    while !left.is_zero() {
        cancel.check()?;
        let step = left.min(STEP);
        std::thread::sleep(step);
        left -= step;
    }
    cancel.check()
}

/// Returns a wait in words.
pub(crate) fn said(wait: Duration) -> String {
    let seconds = wait.as_secs();
    match seconds {
        0..300 => format!("{seconds} seconds"),
        300..7200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(retry_after: &str, date: Option<&str>, expected: Option<u64>) {
        let named = [("retry-after", Some(retry_after)), ("date", date)];
        let headers: HeaderMap = named
            .into_iter()
            .filter_map(|(name, value)| Some((name.parse().unwrap(), value?.parse().unwrap())))
            .collect();
        let found = super::retry_after(&headers);
        assert_eq!(
            found,
            expected.map(Duration::from_secs),
            "{retry_after} at {date:?}"
        );
    }

    #[test]
    fn a_server_asks_for_a_wait_in_seconds_or_with_a_date() {
        let now = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        check("120", None, Some(120));
        check(" 0 ", now, Some(0));
        check("Wed, 21 Oct 2015 07:28:30 GMT", now, Some(30));
        check("Thu, 22 Oct 2015 07:28:00 GMT", now, Some(86_400));
        check("Wed, 21 Oct 2015 07:00:00 GMT", now, Some(0));
        check("Wed, 21 Oct 2015 07:28:30 GMT", None, None);
        check("Wed, 21 Oct 2015 07:28:30 GMT", Some("today"), None);
        check("soon", now, None);
        check("-1", now, None);
    }

    #[test]
    fn a_wait_is_the_longer_one_and_a_bit_more_and_has_a_limit() {
        let check = |planned, asked: Option<u64>, expected: u64| {
            let wait = wait_for(Duration::from_secs(planned), asked.map(Duration::from_secs)).unwrap();
            let expected = Duration::from_secs(expected);
            assert!(wait >= expected && wait <= expected * 5 / 4, "{wait:?}");
        };
        check(4, None, 4);
        check(4, Some(1), 4);
        check(4, Some(60), 60);
        check(4, Some(120), 120);
        let hour = Duration::from_hours(1);
        assert_eq!(wait_for(Duration::ZERO, Some(hour)), Err(TooLong(hour)));
    }
}
