//! Which processors run what: the architecture that an ELF header names.

use serde::{Deserialize, Serialize};
use std::fmt;

use lrops_model::platform::Platform;
use object::elf;

/// What an ELF header says about the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) number: u16,
    pub(super) is_64: bool,
    pub(super) is_big_endian: bool,
}

/// `GOARCH` spelling, machine number, class, byte order.
///
/// From the processor supplements of the System V ABI. x32 (a 32-bit file for the machine x86-64) and n32 (likewise for
/// mips64) are left out: kernels of those platforms do not run them by default.
const MACHINES: [(&str, elf::Machine, bool, bool); 20] = [
    ("386", elf::EM_386, false, false),
    ("amd64", elf::EM_X86_64, true, false),
    ("arm", elf::EM_ARM, false, false),
    ("armbe", elf::EM_ARM, false, true),
    ("arm64", elf::EM_AARCH64, true, false),
    ("arm64be", elf::EM_AARCH64, true, true),
    ("loong64", elf::EM_LOONGARCH, true, false),
    ("mips", elf::EM_MIPS, false, true),
    ("mipsle", elf::EM_MIPS, false, false),
    ("mips64", elf::EM_MIPS, true, true),
    ("mips64le", elf::EM_MIPS, true, false),
    ("ppc", elf::EM_PPC, false, true),
    ("ppc64", elf::EM_PPC64, true, true),
    ("ppc64le", elf::EM_PPC64, true, false),
    ("riscv", elf::EM_RISCV, false, false),
    ("riscv64", elf::EM_RISCV, true, false),
    ("s390", elf::EM_S390, false, true),
    ("s390x", elf::EM_S390, true, true),
    ("sparc", elf::EM_SPARC, false, true),
    ("sparc64", elf::EM_SPARCV9, true, true),
];

impl Machine {
    /// Returns what a platform's programs must say; `None` where lrops does not know it.
    pub(super) fn of(platform: &Platform) -> Option<Self> {
        let row = MACHINES.iter().find(|row| row.0 == platform.architecture)?;
        Some(Self {
            number: row.1.0,
            is_64: row.2,
            is_big_endian: row.3,
        })
    }

    /// Returns the architecture as platforms spell it.
    pub(super) fn architecture(self) -> Option<&'static str> {
        let row = MACHINES
            .iter()
            .find(|row| (row.1.0, row.2, row.3) == (self.number, self.is_64, self.is_big_endian))?;
        Some(row.0)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(architecture) = self.architecture() {
            return f.write_str(architecture);
        }
        let bits = if self.is_64 { 64 } else { 32 };
        let order = if self.is_big_endian { "big" } else { "little" };
        write!(f, "ELF machine {} ({bits} bits, {order} endian)", self.number)
    }
}
