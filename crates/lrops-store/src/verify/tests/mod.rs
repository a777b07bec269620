//! Images are made in memory, some of them wrong on purpose.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes expectations so"
)]

mod damage;
mod documents;
mod elves;
mod file_system;
mod go;
mod maker;
mod patterns;
mod programs;
mod remembered;

use expect_test::Expect;
use lrops_model::cancel::CancelToken;
use lrops_model::finding::Severity;

use self::maker::Image;
use super::{Expectations, Report, verify_image};

/// Compares all findings, one a line, digests left out.
#[track_caller]
fn check(image: &Image, expected: Expect) {
    check_with(image, &expectations(&[], &[]), expected);
}

#[track_caller]
fn check_with(image: &Image, expectations: &Expectations, expected: Expect) {
    expected.assert_eq(&findings(&verify(image, expectations)));
}

fn verify(image: &Image, expectations: &Expectations) -> Report {
    verify_image(&image.store, &image.root, expectations, &CancelToken::new()).unwrap()
}

fn expectations(platforms: &[&str], allow: &[(&str, Option<&str>)]) -> Expectations {
    let platforms = platforms.iter().map(|platform| platform.parse().unwrap());
    let allow = allow.iter().map(|(pattern, platform)| super::AllowRule {
        pattern: pattern.parse().unwrap(),
        platform: platform.map(|platform| platform.parse().unwrap()),
    });
    Expectations {
        platforms: platforms.collect(),
        allow: allow.collect(),
    }
}

fn findings(report: &Report) -> String {
    let lines = report.findings.iter().map(|finding| {
        assert!(!finding.message.ends_with('.'), "{}", finding.message);
        let severity = match finding.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!(
            "{severity} {}: {}\n",
            finding.rule,
            without_digests(&finding.message)
        )
    });
    lines.collect()
}

fn without_digests(message: &str) -> String {
    let mut parts = message.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "sha256:…" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit())
    })
}
