//! Reading tars: headers with everything that extends them, and content, from a stream that nobody vouches for.
//!
//! Understood are the formats that Go's `archive/tar` reads and that occur in layers and archives: V7, ustar, star,
//! GNU (long names, binary numbers) and pax. Sparse files are refused with their name.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;

use super::header::BLOCK_BYTES;
use crate::tree::Time;

/// The longest extended header or long name that is read; what Go allows.
const EXTENSION_BYTES_MAX: u64 = 1024 * 1024;

/// How many extended headers may precede one entry.
const EXTENSIONS_MAX: usize = 16;

/// One entry's header, with all extensions applied. Names are foreign until cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) unsafe_name: Vec<u8>,
    pub(crate) unsafe_link: Vec<u8>,
    /// The type flag, with V7's variants already in POSIX's form.
    pub(crate) flag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) size: u64,
    pub(crate) modified: Time,
    pub(crate) device: (u32, u32),
    pub(crate) attributes: Vec<(OsString, Vec<u8>)>,
}

/// The entries of a tar, one after the other.
pub(crate) struct Entries<R> {
    input: R,
    /// What is left of the present entry's content, and of the zeros after it.
    content_left: u64,
    padding_left: u64,
    ended: bool,
}

impl<R: Read> Entries<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            content_left: 0,
            padding_left: 0,
            ended: false,
        }
    }

    /// Returns the next entry's header; `None` at the end of the archive. Skips what was not read of the last one.
    pub(crate) fn next(&mut self) -> io::Result<Option<Header>> {
        let mut extensions = Extensions::default();
        for _ in 0..=EXTENSIONS_MAX {
            self.skip()?;
            let Some(block) = self.read_header_block()? else {
                return Ok(None);
            };
            let mut header = parse_header(&block)?;
            match header.flag {
                b'x' | b'X' => extensions.read_pax(&self.read_extension(header.size)?)?,
                b'g' => {
                    // Global headers hold comments such as git's commit; no tool relies on more.
                    self.read_extension(header.size)?;
                }
                b'L' => extensions.name = Some(text(&self.read_extension(header.size)?)),
                b'K' => extensions.link = Some(text(&self.read_extension(header.size)?)),
                _ => {
                    extensions.apply(&mut header)?;
                    self.begin_content(&mut header);
                    return Ok(Some(header));
                }
            }
        }
        Err(invalid("an entry has too many extended headers"))
    }

    fn begin_content(&mut self, header: &mut Header) {
        // Links, devices and directories have no content, whatever the size says (POSIX; Go reads them so as well).
        if matches!(header.flag, b'1'..=b'6') {
            header.size = 0;
        }
        self.set_left(header.size);
    }

    fn set_left(&mut self, size: u64) {
        self.content_left = size;
        self.padding_left = size.wrapping_neg() % BLOCK_BYTES as u64;
    }

    /// Returns the content of the present entry.
    pub(crate) fn content(&mut self) -> Content<'_, R> {
        Content { entries: self }
    }

    /// Reads everything that follows the archive, so that the whole stream is verified.
    pub(crate) fn drain(mut self) -> io::Result<R> {
        self.skip()?;
        io::copy(&mut self.input, &mut io::sink())?;
        Ok(self.input)
    }

    fn skip(&mut self) -> io::Result<()> {
        let total = self
            .content_left
            .checked_add(self.padding_left)
            .ok_or_else(|| invalid("a size is too large"))?;
        let skipped = io::copy(&mut (&mut self.input).take(total), &mut io::sink())?;
        if skipped != total {
            return Err(cut_off());
        }
        (self.content_left, self.padding_left) = (0, 0);
        Ok(())
    }

    /// Reads the next header block; `None` after an empty one, or where the stream ends between entries.
    fn read_header_block(&mut self) -> io::Result<Option<[u8; BLOCK_BYTES]>> {
        let mut block = [0; BLOCK_BYTES];
        let mut length = 0;
        while !self.ended && length < BLOCK_BYTES {
            match self.input.read(&mut block[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if length != 0 && length != BLOCK_BYTES {
            return Err(cut_off());
        }
        self.ended = block.iter().all(|byte| *byte == 0);
        Ok((!self.ended).then_some(block))
    }

    fn read_extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > EXTENSION_BYTES_MAX {
            return Err(invalid("an extended header is longer than 1 MiB"));
        }
        self.set_left(size);
        let mut bytes = Vec::new();
        self.content().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// The content of one entry. Ends in an error if the stream is cut off.
pub(crate) struct Content<'e, R> {
    entries: &'e mut Entries<R>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.entries.content_left).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        let read = self.entries.input.read(&mut buffer[..length])?;
        if read == 0 {
            return Err(cut_off());
        }
        self.entries.content_left -= read as u64;
        Ok(read)
    }
}

/// What extended headers say about the entry after them.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    size: Option<u64>,
    modified: Option<Time>,
    attributes: Vec<(OsString, Vec<u8>)>,
    sparse: bool,
}

impl Extensions {
    /// Reads records of the form `LENGTH KEY=VALUE\n`.
    fn read_pax(&mut self, mut records: &[u8]) -> io::Result<()> {
        let malformed = || invalid("an extended header is malformed");
        while !records.is_empty() {
            let space = records
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(malformed)?;
            let length = decimal(&records[..space]).and_then(|length| usize::try_from(length).ok());
            let length = length.filter(|length| *length > space + 2 && *length <= records.len());
            let (record, rest) = records.split_at(length.ok_or_else(malformed)?);
            let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(malformed)?;
            self.set(&record[..equals], &record[equals + 1..])
                .ok_or_else(malformed)?;
            records = rest;
        }
        Ok(())
    }

    /// Takes over one record. An empty value means that the header's own field counts.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let number = || {
            if value.is_empty() {
                Some(None)
            } else {
                decimal(value).map(Some)
            }
        };
        let path = || (!value.contains(&0)).then(|| (!value.is_empty()).then(|| value.to_vec()));
        match key {
            b"path" => self.name = path()?,
            b"linkpath" => self.link = path()?,
            b"uid" => self.uid = number()?,
            b"gid" => self.gid = number()?,
            b"size" => self.size = number()?,
            b"mtime" if value.is_empty() => self.modified = None,
            b"mtime" => self.modified = Some(time(value)?),
            _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.attributes
                        .push((OsString::from_vec(name.to_vec()), value.to_vec()));
                }
            }
        }
        Some(())
    }

    fn apply(self, header: &mut Header) -> io::Result<()> {
        if let Some(name) = self.name {
            header.unsafe_name = name;
        }
        if self.sparse || header.flag == b'S' {
            let name = String::from_utf8_lossy(&header.unsafe_name).into_owned();
            return Err(invalid(&format!(
                "sparse files in archives are not understood: {name}"
            )));
        }
        header.unsafe_link = self.link.unwrap_or(std::mem::take(&mut header.unsafe_link));
        header.uid = self
            .uid
            .map_or(Ok(header.uid), u32::try_from)
            .map_err(io::Error::other)?;
        header.gid = self
            .gid
            .map_or(Ok(header.gid), u32::try_from)
            .map_err(io::Error::other)?;
        header.size = self.size.unwrap_or(header.size);
        header.modified = self.modified.unwrap_or(header.modified);
        header.attributes = self.attributes;
        // V7 has no type for directories: a slash at the end makes one.
        if header.flag == 0 {
            header.flag = if header.unsafe_name.ends_with(b"/") {
                b'5'
            } else {
                b'0'
            };
        }
        Ok(())
    }
}

fn parse_header(block: &[u8; BLOCK_BYTES]) -> io::Result<Header> {
    verify_checksum(block)?;
    let number = |from: usize, to: usize| {
        number(&block[from..to]).ok_or_else(|| invalid("a number in a header is malformed"))
    };
    let short = |from, to| number(from, to).map(|value| u32::try_from(value).unwrap_or(0));
    let is_posix = block[257..263] == *b"ustar\0";
    let is_gnu = block[257..265] == *b"ustar  \0";
    let mut name = text(&block[..100]);
    if is_posix {
        // star keeps times where ustar's prefix goes on.
        let width = if block[508..512] == *b"tar\0" { 131 } else { 155 };
        let prefix = text(&block[345..345 + width]);
        if !prefix.is_empty() {
            name = [prefix, name].join(&b'/');
        }
    }
    let has_device = (is_posix || is_gnu) && matches!(block[156], b'3' | b'4');
    let device = if has_device {
        (short(329, 337)?, short(337, 345)?)
    } else {
        (0, 0)
    };
    Ok(Header {
        unsafe_name: name,
        unsafe_link: text(&block[157..257]),
        flag: block[156],
        mode: short(100, 108)? & 0o7777,
        uid: short(108, 116)?,
        gid: short(116, 124)?,
        size: u64::try_from(number(124, 136)?).map_err(|_| invalid("a size is negative"))?,
        modified: Time::from_seconds(number(136, 148)?),
        device,
        attributes: Vec::new(),
    })
}

/// Compares the checksum, which some old tools computed over signed bytes.
fn verify_checksum(block: &[u8; BLOCK_BYTES]) -> io::Result<()> {
    let stored = number(&block[148..156]).ok_or_else(|| invalid("a header's checksum is malformed"))?;
    let bytes = || block[..148].iter().chain(b"        ").chain(&block[156..]);
    let unsigned: i64 = bytes().map(|byte| i64::from(*byte)).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if stored == unsigned || stored == signed {
        return Ok(());
    }
    Err(invalid(
        "a header's checksum is wrong: this is no tar, or a damaged one",
    ))
}

/// Reads octal digits between spaces and zeros, or GNU's binary form.
fn number(field: &[u8]) -> Option<i64> {
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        let negative = first & 0x40 != 0;
        let start = if negative { -1 } else { 0 };
        return field
            .iter()
            .enumerate()
            .try_fold(start, |value: i64, (index, byte)| {
                let byte = if index == 0 && !negative {
                    byte & 0x7f
                } else {
                    *byte
                };
                value.checked_mul(256)?.checked_add(i64::from(byte))
            });
    }
    let digits = field.trim_ascii_start();
    let end = digits
        .iter()
        .position(|byte| matches!(byte, 0 | b' '))
        .unwrap_or(digits.len());
    let value = digits[..end].iter().try_fold(0_i64, |value, byte| match byte {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(byte - b'0')),
        _ => None,
    })?;
    digits[end..]
        .iter()
        .all(|byte| matches!(byte, 0 | b' '))
        .then_some(value)
}

fn decimal(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a pax time: decimal seconds, with a fraction perhaps.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    if whole.starts_with('-') && nanoseconds != 0 {
        // -1.25 lies three quarters of a second after -2.
        return Some(Time {
            seconds: seconds.checked_sub(1)?,
            nanoseconds: 1_000_000_000 - nanoseconds,
        });
    }
    Some(Time { seconds, nanoseconds })
}

/// Returns a field's bytes up to its first zero.
fn text(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|byte| *byte != 0).collect()
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")
}
