//! One base from the machine's real mirror. Without network, or without package sources, this fails: it is never
//! skipped.

use std::path::Path;

use crate::support::{Machine, explained, layer_files};
use lrops_bases::read_machine_sources;

/// ELF header: `e_machine`, the two bytes at offset 18 (both orders of the tested platforms are little-endian).
fn elf_machine(program: &[u8]) -> u16 {
    assert_eq!(&program[..4], b"\x7fELF");
    u16::from_le_bytes([program[18], program[19]])
}

#[test]
fn a_real_base_has_programs_of_its_platform_and_what_scripts_would_have_made() {
    let machine = Machine::with_sources(read_machine_sources(Path::new("/")).unwrap());
    let text = "distribution = 'debian'\nsuite = 'stable'\n\
                packages = ['libc6', 'ca-certificates', 'tzdata', 'busybox']";
    let spec = toml::from_str(text).unwrap();
    for (platform, elf) in [("linux/amd64", 62), ("linux/arm64", 183), ("linux/arm/v7", 40)] {
        let base = machine
            .build(&spec, platform)
            .unwrap_or_else(|error| panic!("{platform}: {}", explained(&error)));
        let files = layer_files(&machine.store, &base.layer);
        assert_eq!(elf_machine(&files["usr/bin/busybox"].content), elf, "{platform}");
        for name in ["sh", "ls", "wget", "vi"] {
            assert_eq!(
                files[&format!("usr/bin/{name}")].link.as_deref(),
                Some("busybox"),
                "{name}"
            );
        }
        let bundle =
            String::from_utf8_lossy(&files["etc/ssl/certs/ca-certificates.crt"].content).into_owned();
        assert!(bundle.matches("BEGIN CERTIFICATE").count() > 100);
        assert_eq!(
            files["etc/localtime"].link.as_deref(),
            Some("/usr/share/zoneinfo/Etc/UTC")
        );
        assert!(String::from_utf8_lossy(&files["etc/passwd"].content).starts_with("root:x:0:0:"));
        assert!(
            !files
                .keys()
                .any(|path| path.contains("debconf/") || path.contains("/perl")),
            "{platform}"
        );
    }
}
