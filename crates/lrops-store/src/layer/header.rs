//! Writing tar headers: ustar, with a pax extended header before it only where ustar cannot say it.

use std::io::{self, Write};

/// The size of tar's blocks.
pub(super) const BLOCK_BYTES: usize = 512;

/// The largest number that seven octal digits hold: the fields of ids, modes and device numbers.
const SHORT_MAX: u64 = 0o7_777_777;

/// The largest number that eleven octal digits hold: the fields of size and time.
const LONG_MAX: u64 = 0o77_777_777_777;

/// What one entry's header says.
pub(crate) struct EntryHeader<'a> {
    /// The type flag of POSIX: `0` file, `1` hard link, `2` symbolic link, `3` character device, `4` block device,
    /// `5` directory, `6` pipe.
    pub(crate) flag: u8,
    /// The name, with a slash at the end for a directory.
    pub(crate) name: &'a [u8],
    pub(crate) link: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) device: (u32, u32),
    pub(crate) attributes: &'a [(std::ffi::OsString, Vec<u8>)],
}

impl EntryHeader<'_> {
    /// Writes the header, and before it a pax header if one is needed.
    pub(crate) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        let (prefix, name) = split_name(self.name).unwrap_or_else(|| (b"", fallback_name(self.name)));
        let records = self.pax_records(split_name(self.name).is_none());
        if !records.is_empty() {
            let mut block = Block::new();
            block.bytes(0, 100, b"PaxHeaders.0/entry");
            block.numbers(0o644, 0, 0, records.len() as u64, 0);
            block.finish(b'x');
            output.write_all(&block.0)?;
            output.write_all(&records)?;
            write_padding(output, records.len() as u64)?;
        }
        let mut block = Block::new();
        block.bytes(0, 100, name);
        block.bytes(345, 155, prefix);
        if fits(self.link, 100) {
            block.bytes(157, 100, self.link);
        }
        let modified = u64::try_from(self.modified).unwrap_or(0);
        block.numbers(self.mode, self.uid.into(), self.gid.into(), self.size, modified);
        if matches!(self.flag, b'3' | b'4') {
            block.octal(329, 8, u64::from(self.device.0));
            block.octal(337, 8, u64::from(self.device.1));
        }
        block.finish(self.flag);
        output.write_all(&block.0)
    }

    /// Returns the records of the pax header, sorted by keyword; empty when ustar can say everything.
    fn pax_records(&self, name_is_long: bool) -> Vec<u8> {
        let mut records = Vec::new();
        for (name, value) in self.attributes {
            let key = [b"SCHILY.xattr.", name.as_encoded_bytes()].concat();
            push_record(&mut records, &key, value);
        }
        if u64::from(self.gid) > SHORT_MAX {
            push_record(&mut records, b"gid", self.gid.to_string().as_bytes());
        }
        if !fits(self.link, 100) {
            push_record(&mut records, b"linkpath", self.link);
        }
        if u64::try_from(self.modified).is_err() || self.modified.unsigned_abs() > LONG_MAX {
            push_record(&mut records, b"mtime", self.modified.to_string().as_bytes());
        }
        if name_is_long {
            push_record(&mut records, b"path", self.name);
        }
        if self.size > LONG_MAX {
            push_record(&mut records, b"size", self.size.to_string().as_bytes());
        }
        if u64::from(self.uid) > SHORT_MAX {
            push_record(&mut records, b"uid", self.uid.to_string().as_bytes());
        }
        records
    }
}

/// Writes zeros up to the next block.
pub(super) fn write_padding(output: &mut impl Write, size: u64) -> io::Result<()> {
    let over = usize::try_from(size % BLOCK_BYTES as u64).unwrap_or(0);
    if over == 0 {
        Ok(())
    } else {
        output.write_all(&[0; BLOCK_BYTES][over..])
    }
}

/// Writes the two empty blocks that end a tar.
pub(super) fn write_end(output: &mut impl Write) -> io::Result<()> {
    output.write_all(&[0; 2 * BLOCK_BYTES])
}

struct Block([u8; BLOCK_BYTES]);

impl Block {
    fn new() -> Self {
        Self([0; BLOCK_BYTES])
    }

    fn bytes(&mut self, offset: usize, width: usize, value: &[u8]) {
        let length = value.len().min(width);
        self.0[offset..offset + length].copy_from_slice(&value[..length]);
    }

    /// Writes zero-padded octal digits and a zero byte; a number that is too large is left to the pax header.
    fn octal(&mut self, offset: usize, width: usize, value: u64) {
        let digits = width - 1;
        let max = (1_u64 << (3 * digits)) - 1;
        let value = if value > max { 0 } else { value };
        self.bytes(offset, width, format!("{value:0digits$o}").as_bytes());
    }

    fn numbers(&mut self, mode: u32, uid: u64, gid: u64, size: u64, modified: u64) {
        self.octal(100, 8, u64::from(mode & 0o7777));
        self.octal(108, 8, uid);
        self.octal(116, 8, gid);
        self.octal(124, 12, size);
        self.octal(136, 12, modified);
        self.octal(329, 8, 0);
        self.octal(337, 8, 0);
    }

    fn finish(&mut self, flag: u8) {
        self.0[156] = flag;
        self.bytes(257, 8, b"ustar\x0000");
        self.bytes(148, 8, b"        ");
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.bytes(148, 8, format!("{sum:06o}\0 ").as_bytes());
    }
}

fn fits(value: &[u8], width: usize) -> bool {
    value.len() <= width && value.is_ascii()
}

/// Splits a name into ustar's prefix and name fields; `None` when it does not fit.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if fits(name, 100) {
        return Some((b"", name));
    }
    if !fits(name, 256) {
        return None;
    }
    // The slash between the two is not stored, and one at the very end belongs to the name.
    let last = name.len().min(156) - usize::from(name.len() <= 156);
    let slash = name[..last].iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!prefix.is_empty() && prefix.len() <= 155 && !rest.is_empty() && rest.len() <= 100)
        .then_some((prefix, rest))
}

/// Returns what readers without pax see of a long name: its last part, or a constant.
fn fallback_name(name: &[u8]) -> &[u8] {
    if name.is_ascii() {
        &name[..name.len().min(100)]
    } else {
        b"entry"
    }
}

/// Appends `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record with its own digits.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend(length.to_string().as_bytes());
    records.push(b' ');
    records.extend(key);
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}
