//! The build information that the Go linker writes into programs.
//!
//! Rules: Go's package `debug/buildinfo`. Since Go 1.18 the information stands in the file as two texts, each after its
//! length; the second holds the build's settings, one a line. Older programs name no settings, so they are not read.

use std::io::{Read, Seek, SeekFrom};

use super::arm::{ArmNeed, Evidence};
use super::elf::Range;

const MAGIC: &[u8] = b"\xff Go buildinf:";

/// Where the magic may lie: at multiples of this.
const ALIGNMENT: usize = 16;

/// How long the header is, before the texts.
const HEADER_BYTES: usize = 32;

/// The bit of the flags that says that the texts follow the header.
const FLAG_INLINE: u8 = 2;

/// How long build information may be: it names every module that was linked.
pub(super) const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// How far a program without section headers is searched.
const SEARCH_BYTES_MAX: u64 = 64 * 1024 * 1024;

const CHUNK_BYTES: usize = 64 * 1024;

/// Returns the version of the ARM architecture that the build settings name.
pub(super) fn arm_need(content: &[u8]) -> Option<ArmNeed> {
    let settings = settings(content)?;
    let value = setting(settings, "GOARM")?;
    // `7,softfloat` is possible as well.
    let digits = value.split(|byte| *byte == b',').next()?;
    let version: u8 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (5..=9).contains(&version).then_some(ArmNeed {
        version,
        evidence: Evidence::GoBuildInfo,
    })
}

/// Returns the text that holds the build's settings.
fn settings(content: &[u8]) -> Option<&[u8]> {
    let header = content.get(..HEADER_BYTES)?;
    if !header.starts_with(MAGIC) || header[15] & FLAG_INLINE == 0 {
        return None;
    }
    let (_, rest) = text(&content[HEADER_BYTES..])?;
    Some(text(rest)?.0)
}

/// Splits off a text that comes after its length.
fn text(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u64;
    let mut bytes = content.iter().enumerate();
    for shift in (0..63).step_by(7) {
        let (index, byte) = bytes.next()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return content[index + 1..].split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

fn setting<'c>(settings: &'c [u8], key: &str) -> Option<&'c [u8]> {
    settings.split(|byte| *byte == b'\n').find_map(|line| {
        let setting = line.strip_prefix(b"build\t")?;
        setting.strip_prefix(key.as_bytes())?.strip_prefix(b"=")
    })
}

/// Searches parts of a program for build information.
pub(super) fn scan(mut program: impl Read + Seek, ranges: &[Range]) -> Option<ArmNeed> {
    let mut left = SEARCH_BYTES_MAX;
    for (offset, length) in ranges {
        let length = left.min(*length);
        left -= length;
        if let Some(found) = find(&mut program, *offset, length) {
            program.seek(SeekFrom::Start(found)).ok()?;
            let mut content = Vec::new();
            let rest = offset.saturating_add(length).saturating_sub(found);
            let mut part = program.take(rest.min(BYTES_MAX));
            part.read_to_end(&mut content).ok()?;
            return arm_need(&content);
        }
    }
    None
}

/// Returns where the magic lies.
fn find(program: &mut (impl Read + Seek), offset: u64, length: u64) -> Option<u64> {
    program.seek(SeekFrom::Start(offset)).ok()?;
    let mut part = program.take(length);
    let mut chunk = Vec::new();
    let mut position = offset;
    loop {
        chunk.clear();
        // Chunks are multiples of the alignment, so the magic never lies across two.
        let read = (&mut part)
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)
            .ok()?;
        if read == 0 {
            return None;
        }
        let found = (0..read)
            .step_by(ALIGNMENT)
            .find(|at| chunk[*at..].starts_with(MAGIC));
        if let Some(at) = found {
            return Some(position + at as u64);
        }
        position += read as u64;
    }
}
