//! Times: those of files in layers, and the image's `created`.

use std::collections::BTreeMap;
use std::path::Path;

use lrops_model::request::Timestamps;
use lrops_model::timestamp::Timestamp;

use crate::arguments::BuildArguments;
use crate::configuration::{BuildSection, TimesWord};
use crate::environment::Environment;
use crate::failure::{Failure, one_line};
use crate::git;

/// Times of a build.
#[derive(Debug)]
pub(super) struct Times {
    pub(super) timestamps: Timestamps,
    pub(super) created: Timestamp,
    /// The time that `BuildKit` has to be told, where fixed times were asked for by lrops' own names.
    pub(super) source_date_epoch: Option<Timestamp>,
    /// What a person should know about them.
    pub(super) notice: Option<String>,
}

/// Finds out the times: `SOURCE_DATE_EPOCH` where it is given; else `created` is the commit's time.
pub(super) fn find(
    arguments: &BuildArguments,
    section: &BuildSection,
    build_args: &BTreeMap<String, String>,
    context: &Path,
    environment: &Environment,
) -> Result<Times, Failure> {
    let typed = arguments
        .timestamps
        .as_deref()
        .map(|text| super::flag("--timestamps", text.parse()))
        .transpose()?;
    let word = typed.or(section.timestamps).unwrap_or(TimesWord::Fixed);
    // Build arguments hold the environment's, unless a flag replaced it.
    let epoch = build_args
        .get("SOURCE_DATE_EPOCH")
        .map(|text| parse_epoch(text))
        .transpose()?;
    let timestamps = match word {
        TimesWord::Keep => Timestamps::Keep,
        TimesWord::Seconds(seconds) => Timestamps::Fixed(Timestamp(seconds)),
        TimesWord::Fixed => Timestamps::Fixed(epoch.unwrap_or(Timestamp::EPOCH)),
    };
    let (created, notice) = match epoch {
        Some(epoch) => (epoch, None),
        None => commit_time(context, environment),
    };
    // By itself BuildKit keeps times, and only this variable has it do otherwise.
    let source_date_epoch = match typed.or(section.timestamps) {
        _ if epoch.is_some() => None,
        None | Some(TimesWord::Keep) => None,
        Some(TimesWord::Seconds(seconds)) => Some(Timestamp(seconds)),
        Some(TimesWord::Fixed) => Some(created),
    };
    Ok(Times {
        timestamps,
        created,
        source_date_epoch,
        notice,
    })
}

fn parse_epoch(text: &str) -> Result<Timestamp, Failure> {
    let seconds = text.trim().parse().map(Timestamp);
    seconds.map_err(|_| {
        Failure::usage(format!(
            "SOURCE_DATE_EPOCH is {text:?}, which is no number of seconds"
        ))
    })
}

/// Asks git for the time of the commit that the context is at; outside of a work tree it is 1970, and before the first
/// commit, too.
fn commit_time(context: &Path, environment: &Environment) -> (Timestamp, Option<String>) {
    match git::commit_time(context, environment) {
        Ok(time) => (time.unwrap_or(Timestamp::EPOCH), None),
        Err(error) => {
            let notice = format!(
                "git could not be asked for the commit's time ({}): the image's is 1970",
                one_line(&error)
            );
            (Timestamp::EPOCH, Some(notice))
        }
    }
}
