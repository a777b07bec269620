//! A package file (`deb(5)`): an `ar` archive of a control tar and a data tar.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use lrops_model::cancel::CancelToken;
use lzma_rust2::XzReader;

use crate::unpacked::{PackageEntry, PackageFault, Unpacked, malformed, read_tar};

/// The control tar holds a few small files; what claims to be larger is no honest package.
const CONTROL_SIZE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// More members than any package has (it has three).
const MEMBERS_MAX: usize = 16;

/// Unpacks a package file. `temporary` is the directory for the spool.
pub(crate) fn unpack(
    package: impl Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<Unpacked, PackageFault> {
    let mut package = package;
    let mut magic = [0; 8];
    package.read_exact(&mut magic)?;
    if &magic != b"!<arch>\n" {
        return Err(malformed("it is no Debian package"));
    }
    let mut control = None;
    for _ in 0..MEMBERS_MAX {
        let Some(member) = next_member(&mut package)? else {
            break;
        };
        let mut body = (&mut package).take(member.size);
        if member.name.starts_with("control.tar") {
            control = Some(read_control(&member.name, &mut body)?);
        } else if member.name.starts_with("data.tar") {
            let (control, has_script) =
                control.ok_or_else(|| malformed("its data comes before its control"))?;
            let (entries, spool) = read_data(&member.name, &mut body, temporary, cancel)?;
            return Ok(Unpacked {
                control,
                has_script,
                entries,
                spool,
            });
        }
        io::copy(&mut body, &mut io::sink())?;
        if member.size % 2 == 1 {
            package.read_exact(&mut [0])?;
        }
    }
    Err(malformed("it has no data"))
}

struct Member {
    name: String,
    size: u64,
}

/// An `ar` header: name (16), time (12), owner (6), group (6), mode (8), size (10), end (2).
fn next_member(package: &mut impl Read) -> Result<Option<Member>, PackageFault> {
    let mut header = [0; 60];
    let mut filled = 0;
    while filled < header.len() {
        match package.read(&mut header[filled..])? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(malformed("it ends in the middle of a member's header")),
            read => filled += read,
        }
    }
    let field = |range: std::ops::Range<usize>| String::from_utf8_lossy(&header[range]).trim_end().to_owned();
    let size = field(48..58)
        .parse()
        .map_err(|_| malformed("a member's size is no number"))?;
    Ok(Some(Member {
        name: field(0..16).trim_end_matches('/').to_owned(),
        size,
    }))
}

fn decompressed<'a>(name: &str, body: &'a mut dyn Read) -> Result<Box<dyn Read + 'a>, PackageFault> {
    Ok(match name.rsplit_once(".tar").map(|(_, extension)| extension) {
        Some("") => Box::new(body),
        Some(".gz") => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Some(".xz") => Box::new(XzReader::new(BufReader::new(body), true)),
        Some(".zst") => Box::new(zstd::Decoder::new(body)?),
        _ => return Err(malformed(format!("the compression of {name} is not supported"))),
    })
}

fn read_control(name: &str, body: &mut dyn Read) -> Result<(String, bool), PackageFault> {
    let mut archive = tar::Archive::new(decompressed(name, body)?.take(CONTROL_SIZE_BYTES_MAX));
    let (mut control, mut has_script) = (None, false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        match entry
            .path_bytes()
            .strip_prefix(b"./")
            .unwrap_or(&entry.path_bytes())
        {
            b"control" => {
                let mut text = String::new();
                entry.read_to_string(&mut text)?;
                control = Some(text);
            }
            b"postinst" => has_script = true,
            _ => {}
        }
    }
    Ok((
        control.ok_or_else(|| malformed("it has no control file"))?,
        has_script,
    ))
}

fn read_data(
    name: &str,
    body: &mut dyn Read,
    temporary: &Path,
    cancel: &CancelToken,
) -> Result<(Vec<PackageEntry>, File), PackageFault> {
    read_tar(&mut decompressed(name, body)?, temporary, cancel)
}
