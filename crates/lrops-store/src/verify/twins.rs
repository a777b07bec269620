//! Programs that are the same file on platforms of different architectures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lrops_model::digest::Digest;
use lrops_model::finding::{Finding, Severity};
use lrops_model::platform::Platform;

use super::advice;
use super::elf::ElfFile;
use super::tally::{Tally, quote};

/// The shortest program that counts: what is shorter does nothing but return, and is the same by chance.
const PROGRAM_BYTES_MIN: u64 = 256;

/// The programs of all platforms, by content.
#[derive(Default)]
pub(super) struct Twins {
    programs: BTreeMap<Digest, Vec<Sighting>>,
}

/// A program on a platform.
struct Sighting {
    platform: Platform,
    path: PathBuf,
    runs: bool,
}

impl Twins {
    /// Notes a program; `runs` says whether the platform's kernel runs it.
    pub(super) fn add(&mut self, platform: &Platform, path: &Path, file: &ElfFile, runs: bool) {
        if file.size < PROGRAM_BYTES_MIN {
            return;
        }
        let sightings = self.programs.entry(file.digest).or_default();
        // One path a platform tells enough.
        if sightings.iter().all(|sighting| sighting.platform != *platform) {
            sightings.push(Sighting {
                platform: platform.clone(),
                path: path.to_path_buf(),
                runs,
            });
        }
    }

    /// Adds a finding for each program that platforms of different architectures share.
    ///
    /// A program that all of them run is none: a 32-bit x86 program on 386 and amd64.
    pub(super) fn check(self, findings: &mut Vec<Finding>) {
        let mut tally = Tally::default();
        let mut twins: Vec<Vec<Sighting>> = self.programs.into_values().collect();
        twins.sort_by(|one, other| one[0].path.cmp(&other[0].path));
        for sightings in twins {
            let architectures: BTreeSet<&str> = sightings
                .iter()
                .map(|sighting| sighting.platform.architecture.as_str())
                .collect();
            if architectures.len() < 2 || sightings.iter().all(|sighting| sighting.runs) {
                continue;
            }
            tally.add("SameProgramTwice", || finding(&sightings), Severity::Error);
        }
        tally.finish("several platforms", findings);
    }
}

fn finding(sightings: &[Sighting]) -> Finding {
    let places: Vec<String> = sightings
        .iter()
        .map(|sighting| {
            let path = quote(&format!("/{}", sighting.path.display()));
            format!("{path} on {}", sighting.platform)
        })
        .collect();
    let message = format!("one and the same program is {}", places.join(", "));
    Finding::error("SameProgramTwice", message).advise(advice::foreign(&sightings[0].path))
}
