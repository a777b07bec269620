//! Programs of every kind.

use std::io::Cursor;

use expect_test::expect;
use lrops_model::oci::Compression;
use proptest::prelude::*;

use super::elves::{Elf, MACHINES};
use super::maker::{Layer, Maker, single};
use super::{check, check_with, expectations, verify};
use crate::verify::elf;

#[test]
fn each_platform_has_its_own_programs() {
    for (platform, ..) in MACHINES {
        for (program, ..) in MACHINES {
            let layer = Layer::new()
                .file("a", Elf::program(program).bytes())
                .file("b", Elf::library(program).bytes());
            let image = single(&format!("linux/{platform}"), layer);
            let report = verify(&image, &expectations(&[], &[]));
            assert_eq!(report.platforms[0].programs, 2);
            let rules: Vec<&str> = report.findings.iter().map(|finding| &*finding.rule).collect();
            let expected: &[&str] = if platform == program {
                &[]
            } else {
                &["ForeignLibrary", "ForeignProgram"]
            };
            assert_eq!(rules, expected, "{program} on {platform}");
            let is_warning = platform == "amd64" && program == "386";
            assert_eq!(
                report.is_sound(),
                platform == program || is_warning,
                "{program} on {platform}"
            );
        }
    }
}

#[test]
fn a_foreign_file_is_told_with_what_it_is() {
    let layer = || {
        Layer::new()
            .file("app", Elf::program("amd64").bytes())
            .file("lib/libfoo.so", Elf::library("amd64").bytes())
            .file("pie", Elf::static_pie("amd64").bytes())
            .file(
                "dynamic",
                Elf {
                    kind: 3,
                    ..Elf::program("amd64")
                }
                .interpreter("/ld")
                .bytes(),
            )
            .file("libc.so.6", Elf::library("amd64").interpreter("/ld").bytes())
            .file(
                "plug-in",
                Elf {
                    kind: 3,
                    ..Elf::program("amd64")
                }
                .bytes(),
            )
    };
    check(
        &single("linux/arm64", layer()),
        expect![[r#"
        error ForeignLibrary: linux/arm64: /lib/libfoo.so is a shared library for amd64 instead of arm64
        error ForeignLibrary: linux/arm64: /libc.so.6 is a shared library for amd64 instead of arm64
        error ForeignLibrary: linux/arm64: /plug-in is a shared library for amd64 instead of arm64
        error ForeignProgram: linux/arm64: /app is a program for amd64 instead of arm64
        error ForeignProgram: linux/arm64: /dynamic is a program for amd64 instead of arm64
        error ForeignProgram: linux/arm64: /pie is a program for amd64 instead of arm64
    "#]],
    );
    let report = verify(&single("linux/arm64", layer()), &expectations(&[], &[]));
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.message.contains("/app "));
    let advice = finding.unwrap().advice.as_ref().unwrap();
    assert!(advice.contains("[verify] allow = [\"/app\"]"), "{advice}");
    assert!(advice.contains("TARGETARCH"), "{advice}");
}

#[test]
fn a_32_bit_program_on_amd64_is_a_warning_and_not_the_other_way_round() {
    check(
        &single(
            "linux/amd64",
            Layer::new().file("app", Elf::program("386").bytes()),
        ),
        expect![[r#"
        warning ForeignProgram: linux/amd64: /app is a program for 386 instead of amd64
    "#]],
    );
    check(
        &single(
            "linux/386",
            Layer::new().file("app", Elf::program("amd64").bytes()),
        ),
        expect![[r#"
        error ForeignProgram: linux/386: /app is a program for amd64 instead of 386
    "#]],
    );
    // x32: the machine of amd64, but addresses of 32 bits.
    let x32 = Elf {
        class: 1,
        ..Elf::program("amd64")
    };
    check(
        &single("linux/amd64", Layer::new().file("app", x32.bytes())),
        expect![[r#"
        error ForeignProgram: linux/amd64: /app is a program for ELF machine 62 (32 bits, little endian) instead of amd64
    "#]],
    );
    let strange = Elf {
        machine: 4711,
        ..Elf::program("amd64")
    };
    check(
        &single("linux/amd64", Layer::new().file("app", strange.bytes())),
        expect![[r#"
        error ForeignProgram: linux/amd64: /app is a program for ELF machine 4711 (64 bits, little endian) instead of amd64
    "#]],
    );
}

#[test]
fn what_does_not_run_as_a_process_is_exempt() {
    let kind = |kind| {
        Elf {
            kind,
            ..Elf::program("s390x")
        }
        .bytes()
    };
    let bpf = Elf {
        machine: 247,
        class: 2,
        order: 1,
        ..Elf::program("amd64")
    }
    .bytes();
    let layer = Layer::new()
        .file("script", "#!/bin/sh")
        .file("empty", "")
        .file("short", "\x7fEL")
        .file("object.o", kind(1))
        .file("core", kind(4))
        .file("probe.bpf.o", bpf)
        .file("lib/firmware/device/image.elf", kind(2))
        .file("usr/lib/firmware/image.elf", kind(2))
        .file("srv/lib/firmware/image.elf", kind(2));
    let image = single("linux/amd64", layer);
    check(
        &image,
        expect![[r#"
        error ForeignProgram: linux/amd64: /srv/lib/firmware/image.elf is a program for s390x instead of amd64
    "#]],
    );
    assert_eq!(verify(&image, &expectations(&[], &[])).platforms[0].programs, 1);
}

#[test]
fn allowed_files_may_be_of_any_platform() {
    let layer = || {
        Layer::new()
            .file("opt/tools/run", Elf::program("amd64").interpreter("/ld").bytes())
            .tar()
    };
    let image = || {
        Maker::new()
            .platform("linux/arm64", &[&layer()])
            .platform("linux/arm/v7", &[&layer()])
            .finish()
    };
    check(
        &image(),
        expect![[r#"
        error ForeignProgram: linux/arm64: /opt/tools/run is a program for amd64 instead of arm64
        error ForeignProgram: linux/arm/v7: /opt/tools/run is a program for amd64 instead of arm
        error SameProgramTwice: one and the same program is /opt/tools/run on linux/arm64, /opt/tools/run on linux/arm/v7
    "#]],
    );
    check_with(&image(), &expectations(&[], &[("/opt/**", None)]), expect![""]);
    check_with(
        &image(),
        &expectations(&[], &[("/opt/tools", Some("arm/v7"))]),
        expect![[r#"
        error ForeignProgram: linux/arm64: /opt/tools/run is a program for amd64 instead of arm64
    "#]],
    );
}

#[test]
fn the_same_program_on_two_architectures_is_told_once() {
    let layer = |architecture| Layer::new().file("app", Elf::program(architecture).bytes()).tar();
    let amd64 = layer("amd64");
    let image = Maker::new()
        .platform("linux/amd64", &[&amd64])
        .platform_with("linux/arm64", Compression::Gzip, &[&amd64], |_| {})
        .finish();
    check(
        &image,
        expect![[r#"
        error ForeignProgram: linux/arm64: /app is a program for amd64 instead of arm64
        error SameProgramTwice: one and the same program is /app on linux/amd64, /app on linux/arm64
    "#]],
    );
    // One architecture in two versions, and a program that both run.
    let arm = layer("arm");
    let image = Maker::new()
        .platform("linux/arm/v6", &[&arm])
        .platform("linux/arm/v7", &[&arm])
        .platform("linux/386", &[&layer("386")])
        .platform("linux/amd64", &[&layer("386")])
        .finish();
    check(
        &image,
        expect![[r#"
        warning ForeignProgram: linux/amd64: /app is a program for 386 instead of amd64
    "#]],
    );
}

#[test]
fn arm_programs_need_no_higher_version_than_the_platforms() {
    let layer = || {
        [3, 5, 6, 9, 10, 14, 22]
            .into_iter()
            .fold(Layer::new(), |layer, value| {
                let bytes = Elf::program("arm").cpu_architecture(value).bytes();
                layer.file(&format!("tag-{value}"), bytes)
            })
    };
    check(
        &single("linux/arm/v5", layer()),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v5: /tag-10 needs ARM version 7 (Tag_CPU_arch in .ARM.attributes), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /tag-14 needs ARM version 8 (Tag_CPU_arch in .ARM.attributes), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /tag-22 needs ARM version 9 (Tag_CPU_arch in .ARM.attributes), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /tag-6 needs ARM version 6 (Tag_CPU_arch in .ARM.attributes), but the platform has version 5
        error ArmVersionTooHigh: linux/arm/v5: /tag-9 needs ARM version 6 (Tag_CPU_arch in .ARM.attributes), but the platform has version 5
    "#]],
    );
    check(
        &single("linux/arm/v6", layer()),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v6: /tag-10 needs ARM version 7 (Tag_CPU_arch in .ARM.attributes), but the platform has version 6
        error ArmVersionTooHigh: linux/arm/v6: /tag-14 needs ARM version 8 (Tag_CPU_arch in .ARM.attributes), but the platform has version 6
        error ArmVersionTooHigh: linux/arm/v6: /tag-22 needs ARM version 9 (Tag_CPU_arch in .ARM.attributes), but the platform has version 6
    "#]],
    );
    check(
        &single("linux/arm/v7", layer()),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v7: /tag-14 needs ARM version 8 (Tag_CPU_arch in .ARM.attributes), but the platform has version 7
        error ArmVersionTooHigh: linux/arm/v7: /tag-22 needs ARM version 9 (Tag_CPU_arch in .ARM.attributes), but the platform has version 7
    "#]],
    );
    check(
        &single("linux/arm/v8", layer()),
        expect![[r#"
        error ArmVersionTooHigh: linux/arm/v8: /tag-22 needs ARM version 9 (Tag_CPU_arch in .ARM.attributes), but the platform has version 8
    "#]],
    );
}

#[test]
fn attributes_are_read_in_either_byte_order() {
    let layer = Layer::new().file("app", Elf::program("armbe").cpu_architecture(14).bytes());
    check(
        &single("linux/armbe/v7", layer),
        expect![[r#"
        error ArmVersionTooHigh: linux/armbe/v7: /app needs ARM version 8 (Tag_CPU_arch in .ARM.attributes), but the platform has version 7
    "#]],
    );
}

#[test]
fn a_thousand_files_with_one_mistake_stay_readable() {
    let layer = (0..120).fold(Layer::new(), |layer, number| {
        layer.file(&format!("lib/{number:03}.so"), Elf::library("arm64").bytes())
    });
    let report = verify(&single("linux/amd64", layer), &expectations(&[], &[]));
    assert_eq!(report.findings.len(), 21);
    assert_eq!(
        report.findings[20].message,
        "linux/amd64: the same holds for 100 more files"
    );
}

#[test]
fn what_only_begins_like_a_program_is_a_warning() {
    let layer = Layer::new()
        .file("magic", "\x7fELF")
        .file(
            "class",
            b"\x7fELF\x09\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\0\0\0\0",
        )
        .file("cut", &Elf::program("arm64").interpreter("/ld").bytes()[..64]);
    check(
        &single("linux/amd64", layer),
        expect![[r#"
        error ForeignProgram: linux/amd64: /cut is a program for arm64 instead of amd64
        warning UnreadableProgram: linux/amd64: /class begins like an ELF file but is none
        warning UnreadableProgram: linux/amd64: /magic begins like an ELF file but is none
    "#]],
    );
}

#[test]
fn an_unknown_architecture_is_said_to_be_unknown() {
    let layer = || Layer::new().file("app", Elf::program("amd64").bytes());
    check(
        &single("linux/vax", layer()),
        expect![[r#"
        warning UnknownArchitecture: what programs of linux/vax look like is not known; they were not looked at
    "#]],
    );
    check(&single("windows/amd64", layer()), expect![""]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_after_the_magic_are_survived(class in 0..4_u8, order in 0..4_u8, rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([class, order, 1]);
        bytes.extend(rest);
        elf::is_judged(&bytes);
        elf::read(Cursor::new(bytes));
    }

    #[test]
    fn any_change_to_a_program_is_survived(
        row in 0..MACHINES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        length in any::<prop::sample::Index>(),
    ) {
        let mut program = Elf::program(MACHINES[row].0).interpreter("/ld");
        if MACHINES[row].0.starts_with("arm") && MACHINES[row].2 == 1 {
            program = program.cpu_architecture(10);
        }
        let mut bytes = program.bytes();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(length.index(bytes.len()) + 1);
        elf::read(Cursor::new(bytes));
    }
}
