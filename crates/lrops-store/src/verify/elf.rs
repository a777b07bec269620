//! What an ELF file says about the platform that it is for.

use std::io::{Read, Seek};

use lrops_model::digest::Digest;
use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _, SectionHeader as _};
use object::read::{ReadCache, ReadRef as _};
use serde::{Deserialize, Serialize};

use super::arm::{ArmNeed, attributes_need};
use super::go_build_info;
use super::machine::Machine;

/// The length of an ELF file's identification.
const IDENTIFICATION_BYTES: usize = 16;

/// How many program headers are believed. Linkers write a dozen.
const PROGRAM_HEADERS_MAX: u32 = 4096;

/// How many section headers are believed; they are read for 32-bit ARM only.
const SECTION_HEADERS_MAX: u32 = 65_536;

/// How long a dynamic section may be.
const DYNAMIC_BYTES_MAX: u64 = 1024 * 1024;

/// How long an interpreter's path may be, as on Linux.
const INTERPRETER_BYTES_MAX: u64 = 4096;

/// How long the section of the build attributes may be.
const ATTRIBUTES_BYTES_MAX: u64 = 64 * 1024;

/// An ELF file that must be of its image's platform.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ElfFile {
    pub(super) digest: Digest,
    pub(super) size: u64,
    /// `None` when the header makes no sense.
    pub(super) facts: Option<Facts>,
}

/// What an ELF file says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) kind: Kind,
    pub(super) machine: Machine,
    /// The path of the program interpreter that the kernel starts.
    pub(super) interpreter: Option<Vec<u8>>,
    /// For 32-bit ARM: the lowest version of the architecture that runs it, if the file says so.
    pub(super) arm: Option<ArmNeed>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A program, linked to a fixed place or to any.
    Program,
    /// A shared library or a plug-in.
    Library,
}

/// Returns whether a file that begins so is an ELF file that must be of its image's platform: not a relocatable object,
/// a core file or a program for the kernel's eBPF machine.
pub(super) fn is_judged(head: &[u8]) -> bool {
    if !head.starts_with(&elf::ELFMAG) {
        return false;
    }
    let Some(words) = head.get(IDENTIFICATION_BYTES..IDENTIFICATION_BYTES + 4) else {
        return true;
    };
    let word = |from: usize| {
        let bytes = [words[from], words[from + 1]];
        match head[5] {
            2 => u16::from_be_bytes(bytes),
            _ => u16::from_le_bytes(bytes),
        }
    };
    let (kind, machine) = (word(0), word(2));
    machine != elf::EM_BPF.0 && kind != elf::ET_REL.0 && kind != elf::ET_CORE.0
}

/// Reads a file's facts; `None` when its header makes no sense.
///
/// Lenient behind the header: a file that is cut off is still for some platform.
pub(super) fn read(spool: impl Read + Seek) -> Option<Facts> {
    let cache = ReadCache::new(spool);
    let identification = (&cache).read_bytes_at(0, IDENTIFICATION_BYTES as u64).ok()?;
    let (mut facts, writable) = match identification[4] {
        1 => read_class::<FileHeader32<Endianness>, _>(&cache)?,
        2 => read_class::<FileHeader64<Endianness>, _>(&cache)?,
        _ => return None,
    };
    // Where section headers were stripped, Go's build information is found by its magic.
    if !writable.is_empty() {
        let need = go_build_info::scan(cache.into_inner(), &writable);
        facts.arm = facts.arm.max(need);
    }
    Some(facts)
}

/// A part of a file: offset and length.
pub(super) type Range = (u64, u64);

/// Returns the facts, and the segments to be searched for Go's build information.
fn read_class<Header, R>(file: &ReadCache<R>) -> Option<(Facts, Vec<Range>)>
where
    Header: FileHeader<Endian = Endianness>,
    R: Read + Seek,
{
    let header = Header::parse(file).ok()?;
    let endian = header.endian().ok()?;
    let machine = Machine {
        number: header.e_machine(endian).0,
        is_64: header.is_class_64(),
        is_big_endian: endian == Endianness::Big,
    };
    let count = header.phnum(endian, file).unwrap_or(0);
    let segments = match count {
        0..=PROGRAM_HEADERS_MAX => header.program_headers(endian, file).unwrap_or_default(),
        _ => &[],
    };
    let mut facts = Facts {
        kind: Kind::Library,
        machine,
        interpreter: None,
        arm: None,
    };
    let mut marks = Marks::default();
    for segment in segments {
        let size: u64 = segment.p_filesz(endian).into();
        match segment.p_type(endian) {
            elf::PT_INTERP if size <= INTERPRETER_BYTES_MAX => {
                let path = segment.interpreter(endian, file).ok().flatten();
                facts.interpreter = path.filter(|path| path.starts_with(b"/")).map(<[u8]>::to_vec);
            }
            elf::PT_DYNAMIC if size <= DYNAMIC_BYTES_MAX => {
                marks = Marks::read::<Header>(segment.dynamic(endian, file).ok().flatten(), endian);
            }
            _ => {}
        }
    }
    facts.kind = marks.kind(header.e_type(endian), facts.interpreter.is_some());
    if machine.number != elf::EM_ARM.0 {
        return Some((facts, Vec::new()));
    }
    match arm_need(header, endian, file) {
        Ok(need) => facts.arm = need,
        Err(NoSections) => return Some((facts, writable_segments::<Header>(segments, endian))),
    }
    Some((facts, Vec::new()))
}

/// What a dynamic section says about the kind of the file.
#[derive(Default)]
struct Marks {
    has_library_name: bool,
    is_marked_as_program: bool,
}

impl Marks {
    fn read<Header: FileHeader<Endian = Endianness>>(
        entries: Option<&[Header::Dyn]>,
        endian: Endianness,
    ) -> Self {
        let mut marks = Self::default();
        for entry in entries.unwrap_or_default() {
            match entry.tag(endian) {
                elf::DT_NULL => break,
                elf::DT_SONAME => marks.has_library_name = true,
                elf::DT_FLAGS_1 => {
                    marks.is_marked_as_program = entry.val(endian) & elf::DF_1_PIE.0 != 0;
                }
                _ => {}
            }
        }
        marks
    }

    /// Position-independent programs and libraries are of one type. A library may name an interpreter as well: glibc's
    /// prints its version when it is run.
    fn kind(&self, file_type: elf::FileType, has_interpreter: bool) -> Kind {
        if file_type == elf::ET_EXEC {
            return Kind::Program;
        }
        if !self.has_library_name && (has_interpreter || self.is_marked_as_program) {
            return Kind::Program;
        }
        Kind::Library
    }
}

/// The file has no section headers, or none that can be read.
struct NoSections;

/// Returns what the sections say about ARM's version, if anything.
fn arm_need<Header, R>(
    header: &Header,
    endian: Endianness,
    file: &ReadCache<R>,
) -> Result<Option<ArmNeed>, NoSections>
where
    Header: FileHeader<Endian = Endianness>,
    R: Read + Seek,
{
    let count = header.shnum(endian, file).map_err(|_| NoSections)?;
    if count == 0 || count > SECTION_HEADERS_MAX {
        return Err(NoSections);
    }
    let sections = header.section_headers(endian, file).map_err(|_| NoSections)?;
    // Without names there are still types.
    let names = header.section_strings(endian, file, sections).unwrap_or_default();
    let mut need = None;
    for section in sections {
        let size: u64 = section.sh_size(endian).into();
        let is_attributes = section.sh_type(endian) == elf::SHT_ARM_ATTRIBUTES;
        if is_attributes && size <= ATTRIBUTES_BYTES_MAX {
            let content = section.data(endian, file).unwrap_or_default();
            need = need.max(attributes_need::<Header>(endian, content));
        }
        let is_build_info = section
            .name(endian, names)
            .is_ok_and(|name| name == b".go.buildinfo");
        if is_build_info && size <= go_build_info::BYTES_MAX {
            let content = section.data(endian, file).unwrap_or_default();
            need = need.max(go_build_info::arm_need(content));
        }
    }
    Ok(need)
}

fn writable_segments<Header: FileHeader<Endian = Endianness>>(
    segments: &[Header::ProgramHeader],
    endian: Endianness,
) -> Vec<Range> {
    let is_writable = |segment: &&Header::ProgramHeader| {
        segment.p_type(endian) == elf::PT_LOAD && segment.p_flags(endian).contains(elf::PF_W)
    };
    let writable = segments.iter().filter(is_writable);
    writable.map(|segment| segment.file_range(endian)).collect()
}
