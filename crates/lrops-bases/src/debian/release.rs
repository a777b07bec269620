//! A suite's `InRelease`: what it is, until when it counts, and which index files it vouches for.
//!
//! Format: Debian wiki "DebianRepository/Format", section "Release files".

use std::collections::BTreeMap;

use lrops_model::digest::Digest;
use lrops_model::timestamp::Timestamp;

use super::paragraph::paragraphs;

/// A verified release file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) suite: String,
    pub(crate) codename: String,
    pub(crate) version: Option<String>,
    pub(crate) date: Timestamp,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) architectures: Vec<String>,
    pub(crate) components: Vec<String>,
    /// Packages are taken only where asked for by name, or where no other suite has them (backports).
    pub(crate) not_automatic: bool,
    /// Index files are also served under their digest, which a mirror in the middle of an update still has.
    pub(crate) by_digest: bool,
    /// Package indexes by path below the suite's directory.
    pub(crate) indexes: BTreeMap<String, IndexFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexFile {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// How far a release's date may lie ahead of this machine's clock.
const DATE_AHEAD_SECONDS_MAX: i64 = 3600;

/// What a release file says against its use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFault {
    /// A needed field is missing or unreadable.
    #[error("its field {0} is missing or cannot be read")]
    Field(&'static str),
    /// It is of another suite.
    #[error("it is of the suite {suite} ({codename})")]
    OtherSuite {
        /// The suite's name.
        suite: String,
        /// The suite's code name.
        codename: String,
    },
    /// It is too old to be believed.
    #[error("it was valid until {0}")]
    Expired(Timestamp),
    /// It comes from the future.
    #[error("its date, {0}, lies in the future of this machine's clock")]
    Future(Timestamp),
}

impl Release {
    pub(crate) fn parse(text: &str) -> Result<Self, ReleaseFault> {
        let paragraph = paragraphs(text).into_iter().next().unwrap_or_default();
        let text = |name| paragraph.get(name).unwrap_or_default().to_owned();
        let words = |name| {
            text(name)
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let yes = |name| paragraph.get(name) == Some("yes");
        let date = paragraph
            .get("Date")
            .and_then(parse_date)
            .ok_or(ReleaseFault::Field("Date"))?;
        let valid_until = match paragraph.get("Valid-Until") {
            Some(value) => Some(parse_date(value).ok_or(ReleaseFault::Field("Valid-Until"))?),
            None => None,
        };
        let digests = paragraph.get("SHA256").ok_or(ReleaseFault::Field("SHA256"))?;
        Ok(Self {
            suite: text("Suite"),
            codename: text("Codename"),
            version: paragraph.get("Version").map(str::to_owned),
            date,
            valid_until,
            architectures: words("Architectures"),
            components: words("Components"),
            not_automatic: yes("NotAutomatic"),
            by_digest: yes("Acquire-By-Hash"),
            indexes: digests.lines().filter_map(parse_index).collect(),
        })
    }

    /// Checks that this release is the wanted suite's and counts at the given time.
    pub(crate) fn check(
        &self,
        suite: &str,
        now: Timestamp,
        check_valid_until: bool,
    ) -> Result<(), ReleaseFault> {
        if self.suite != suite && self.codename != suite {
            let (suite, codename) = (self.suite.clone(), self.codename.clone());
            return Err(ReleaseFault::OtherSuite { suite, codename });
        }
        if self.date.0 > now.0 + DATE_AHEAD_SECONDS_MAX {
            return Err(ReleaseFault::Future(self.date));
        }
        match self.valid_until {
            Some(until) if check_valid_until && until < now => Err(ReleaseFault::Expired(until)),
            _ => Ok(()),
        }
    }
}

/// ` DIGEST SIZE PATH`; only package indexes are kept.
fn parse_index(line: &str) -> Option<(String, IndexFile)> {
    let mut words = line.split_whitespace();
    let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
    if !path.contains("/binary-") || !path.rsplit('/').next()?.starts_with("Packages") {
        return None;
    }
    let file = IndexFile {
        digest: Digest::from_hex(digest).ok()?,
        size: size.parse().ok()?,
    };
    Some((path.to_owned(), file))
}

/// `Sat, 12 Sep 2026 07:55:41 UTC`, the only form that archives write.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !matches!(words.next(), Some("UTC" | "GMT" | "+0000")) {
        return None;
    }
    Some(Timestamp(
        days_since_epoch(year, i64::try_from(month).ok()?, day) * 86_400 + hour * 3600 + minute * 60 + second,
    ))
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that a leap day ends its year.
pub(crate) fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        let check =
            |text, expected| assert_eq!(parse_date(text).map(|time| time.to_string()).as_deref(), expected);
        check("Sat, 12 Sep 2026 07:55:41 UTC", Some("2026-09-12T07:55:41Z"));
        check("Thu, 29 Feb 2024 00:00:00 UTC", Some("2024-02-29T00:00:00Z"));
        check("Thu, 1 Jan 1970 00:00:00 +0000", Some("1970-01-01T00:00:00Z"));
        check("2026-09-12", None);
        check("Sat, 12 Sep 2026 07:55:41 CET", None);
    }
}
