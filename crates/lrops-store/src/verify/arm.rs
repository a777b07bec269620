//! Versions of the 32-bit ARM architecture, and the build attributes that name them.
//!
//! Rules: "Addenda to, and Errata in, the ABI for the Arm Architecture", chapter "Build attributes".

use object::Endianness;
use object::read::elf::{AttributeReader, AttributesSection, FileHeader};
use serde::{Deserialize, Serialize};

use lrops_model::platform::Platform;

const TAG_FILE: u8 = 1;
const TAG_CPU_ARCH: u64 = 6;

/// Attributes below this number are defined one by one; from here on the parity tells text from number.
const TAG_REGULAR_MIN: u64 = 32;

/// How many attributes are read.
const ATTRIBUTES_MAX: usize = 1024;

/// The lowest version of the ARM architecture that runs a file, and what says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ArmNeed {
    /// 5 to 9.
    pub(super) version: u8,
    pub(super) evidence: Evidence,
}

/// What names a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Evidence {
    /// The C compiler's or assembler's build attributes.
    Attributes,
    /// Go's build information.
    GoBuildInfo,
}

impl Evidence {
    /// Returns the place's name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Attributes => "Tag_CPU_arch in .ARM.attributes",
            Self::GoBuildInfo => "GOARM in Go's build information",
        }
    }
}

/// Returns the version that a platform's processors have.
pub(super) fn version_of(platform: &Platform) -> u8 {
    let variant = platform.variant.as_deref().unwrap_or("v7");
    variant
        .strip_prefix('v')
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(7)
}

/// Returns what a section of build attributes says, if it can be read.
pub(super) fn attributes_need<Header>(endian: Endianness, section: &[u8]) -> Option<ArmNeed>
where
    Header: FileHeader<Endian = Endianness>,
{
    let section = AttributesSection::<Header>::new(endian, section).ok()?;
    let mut subsections = section.subsections().ok()?;
    let mut highest = None;
    while let Ok(Some(subsection)) = subsections.next() {
        if subsection.vendor() != b"aeabi" {
            continue;
        }
        let mut parts = subsection.subsubsections();
        while let Ok(Some(part)) = parts.next() {
            if part.tag().0 == TAG_FILE {
                highest = highest.max(cpu_architecture(part.attributes()));
            }
        }
    }
    Some(ArmNeed {
        version: version(highest?),
        evidence: Evidence::Attributes,
    })
}

fn cpu_architecture(mut attributes: AttributeReader<'_>) -> Option<u64> {
    for _ in 0..ATTRIBUTES_MAX {
        let tag = attributes.read_tag().ok()??;
        match tag {
            TAG_CPU_ARCH => return attributes.read_integer().ok(),
            // Tag_CPU_raw_name and Tag_CPU_name.
            4 | 5 => {
                attributes.read_string().ok()?;
            }
            // Tag_compatibility has a number and a text.
            32 => {
                attributes.read_integer().ok()?;
                attributes.read_string().ok()?;
            }
            tag if tag > TAG_REGULAR_MIN && tag % 2 == 1 => {
                attributes.read_string().ok()?;
            }
            _ => {
                attributes.read_integer().ok()?;
            }
        }
    }
    None
}

/// Returns the version of the architecture that a value of `Tag_CPU_arch` stands for. What came before version 5 runs
/// everywhere; the profiles for microcontrollers count as the version that their instructions come from.
fn version(cpu_architecture: u64) -> u8 {
    match cpu_architecture {
        0..=5 => 5,
        6..=9 | 11 | 12 => 6,
        10 | 13 => 7,
        14..=21 => 8,
        _ => 9,
    }
}
