//! Makes small ELF files, byte by byte, from the System V ABI and not from the code under test.

/// `GOARCH`, `e_machine`, class (1 is 32 bits), byte order (1 is little).
pub(super) const MACHINES: [(&str, u16, u8, u8); 14] = [
    ("386", 3, 1, 1),
    ("amd64", 62, 2, 1),
    ("arm", 40, 1, 1),
    ("arm64", 183, 2, 1),
    ("loong64", 258, 2, 1),
    ("mips", 8, 1, 2),
    ("mipsle", 8, 1, 1),
    ("mips64", 8, 2, 2),
    ("mips64le", 8, 2, 1),
    ("ppc64", 21, 2, 2),
    ("ppc64le", 21, 2, 1),
    ("riscv64", 243, 2, 1),
    ("s390x", 22, 2, 2),
    ("armbe", 40, 1, 2),
];

/// An ELF file in the making.
#[derive(Clone)]
pub(super) struct Elf {
    pub(super) machine: u16,
    pub(super) class: u8,
    pub(super) order: u8,
    /// `e_type`: 1 relocatable, 2 executable, 3 dynamic, 4 core.
    pub(super) kind: u16,
    pub(super) interpreter: Option<String>,
    pub(super) dynamic: Vec<(u64, u64)>,
    pub(super) attributes: Option<Vec<u8>>,
}

impl Elf {
    /// A program at a fixed address.
    pub(super) fn program(architecture: &str) -> Self {
        let row = MACHINES.iter().find(|row| row.0 == architecture).unwrap();
        Self {
            machine: row.1,
            class: row.2,
            order: row.3,
            kind: 2,
            interpreter: None,
            dynamic: Vec::new(),
            attributes: None,
        }
    }

    /// A shared library with a `DT_SONAME`.
    pub(super) fn library(architecture: &str) -> Self {
        Self {
            kind: 3,
            dynamic: vec![(14, 1), (0, 0)],
            ..Self::program(architecture)
        }
    }

    /// A position-independent program without an interpreter: `DT_FLAGS_1` has `DF_1_PIE`.
    pub(super) fn static_pie(architecture: &str) -> Self {
        Self {
            kind: 3,
            dynamic: vec![(0x6fff_fffb, 0x0800_0000), (0, 0)],
            ..Self::program(architecture)
        }
    }

    pub(super) fn interpreter(mut self, path: &str) -> Self {
        self.interpreter = Some(path.to_owned());
        self
    }

    /// Adds `.ARM.attributes` with a `Tag_CPU_arch`, after attributes of every other shape.
    pub(super) fn cpu_architecture(mut self, value: u8) -> Self {
        let mut attributes = b"\x05name\0\x20\x01gnu\0\x43\x32.09\0\x2c\x01\x06".to_vec();
        attributes.push(value);
        let mut file = vec![1];
        file.extend(self.u32(u32::try_from(attributes.len()).unwrap() + 5));
        file.extend(attributes);
        let mut section = vec![b'A'];
        section.extend(self.u32(u32::try_from(file.len()).unwrap() + 10));
        section.extend(b"aeabi\0");
        section.extend(file);
        self.attributes = Some(section);
        self
    }

    fn number<const N: usize>(&self, little: [u8; N]) -> [u8; N] {
        let mut bytes = little;
        if self.order == 2 {
            bytes.reverse();
        }
        bytes
    }

    fn u16(&self, value: u16) -> Vec<u8> {
        self.number(value.to_le_bytes()).into()
    }

    fn u32(&self, value: u32) -> Vec<u8> {
        self.number(value.to_le_bytes()).into()
    }

    /// A number as wide as an address.
    fn word(&self, value: u64) -> Vec<u8> {
        match self.class {
            1 => self.u32(u32::try_from(value).unwrap()),
            _ => self.number(value.to_le_bytes()).into(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let (header_length, segment_length) = if self.class == 1 { (52, 32) } else { (64, 56) };
        let interpreter = self
            .interpreter
            .as_ref()
            .map(|path| format!("{path}\0").into_bytes());
        let dynamic: Vec<u8> = self
            .dynamic
            .iter()
            .flat_map(|(tag, value)| [self.word(*tag), self.word(*value)].concat())
            .collect();
        let mut segments = Vec::new();
        let mut content = Vec::new();
        let parts = [
            (3_u32, interpreter),
            (2, (!dynamic.is_empty()).then_some(dynamic)),
        ];
        let count = parts.iter().filter(|part| part.1.is_some()).count() as u64;
        let content_from = header_length + count * segment_length;
        for (kind, bytes) in parts {
            let Some(bytes) = bytes else { continue };
            let offset = content_from + content.len() as u64;
            segments.extend(self.segment(kind, offset, bytes.len() as u64));
            content.extend(bytes);
            // The dynamic section is read as numbers, which lie at their own multiples.
            content.resize(content.len().next_multiple_of(8), 0);
        }
        let sections_from = content_from + content.len() as u64;
        let (sections, section_count) = self.sections(sections_from);
        let sections_at = if section_count == 0 { 0 } else { sections_from };
        let counts = (u16::try_from(count).unwrap(), section_count);
        let mut file = self.header(header_length, sections_at, counts);
        file.extend(segments);
        file.extend(content);
        file.extend(sections);
        file.resize(file.len().max(512), 0);
        file
    }

    fn header(&self, length: u64, sections_at: u64, counts: (u16, u16)) -> Vec<u8> {
        let mut header = b"\x7fELF".to_vec();
        header.extend([self.class, self.order, 1]);
        header.resize(16, 0);
        header.extend([self.u16(self.kind), self.u16(self.machine), self.u32(1)].concat());
        header.extend([self.word(0x1000), self.word(length), self.word(sections_at)].concat());
        let (segment, section) = if self.class == 1 { (32, 40) } else { (56, 64) };
        header.extend([self.u32(0), self.u16(u16::try_from(length).unwrap())].concat());
        header.extend([self.u16(segment), self.u16(counts.0), self.u16(section)].concat());
        header.extend([self.u16(counts.1), self.u16(0)].concat());
        header
    }

    fn segment(&self, kind: u32, offset: u64, size: u64) -> Vec<u8> {
        let place = [self.word(offset), self.word(offset), self.word(offset)].concat();
        let sizes = [self.word(size), self.word(size)].concat();
        match self.class {
            1 => [self.u32(kind), place, sizes, self.u32(4), self.u32(8)].concat(),
            _ => [self.u32(kind), self.u32(4), place, sizes, self.word(8)].concat(),
        }
    }

    /// The null section, `.ARM.attributes`, and their content after them.
    fn sections(&self, from: u64) -> (Vec<u8>, u16) {
        let Some(attributes) = &self.attributes else {
            return (Vec::new(), 0);
        };
        assert_eq!(self.class, 1, "only 32-bit ARM has such attributes");
        let mut sections = vec![0; 40];
        let words = [
            0,
            0x7000_0003,
            0,
            0,
            from + 80,
            attributes.len() as u64,
            0,
            0,
            1,
            0,
        ];
        sections.extend(words.iter().flat_map(|word| self.word(*word)));
        sections.extend(attributes);
        (sections, 2)
    }
}
