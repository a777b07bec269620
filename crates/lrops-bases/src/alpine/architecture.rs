//! Alpine's names of platforms.

use lrops_model::platform::Platform;

/// Returns Alpine's name of the platform's architecture, if Alpine has it. `armhf` means v6 there, and `armv7` v7.
pub(crate) fn of(platform: &Platform) -> Option<&'static str> {
    if platform.os != "linux" {
        return None;
    }
    Some(
        match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("amd64", _) => "x86_64",
            ("arm64", _) => "aarch64",
            ("arm", Some("v7" | "v8")) => "armv7",
            ("arm", Some("v6")) => "armhf",
            ("386", _) => "x86",
            ("ppc64le", _) => "ppc64le",
            ("s390x", _) => "s390x",
            ("riscv64", _) => "riscv64",
            ("loong64", _) => "loongarch64",
            _ => return None,
        },
    )
}
