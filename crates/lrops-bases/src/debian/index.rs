//! The package indexes of an archive (`Packages`), for one architecture.
//!
//! An index of Debian's main area has about 64,000 packages in 48 MB of text. Only the fields that resolution needs
//! are kept, in one text, with packages as ranges into it: about 20 MB instead of several times that.

use std::cmp::Ordering;
use std::io::{self, BufRead};

use super::relation::{Relation, alternatives, groups};
use super::version;

/// No honest index is larger, uncompressed.
const INDEX_SIZE_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// Packages of one or several suites.
#[derive(Default)]
pub(crate) struct Index {
    text: String,
    packages: Vec<Record>,
    /// Ids by name, then best candidate first.
    by_name: Vec<PackageId>,
    /// What packages provide, by name.
    provided: Vec<Provided>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackageId(u32);

#[derive(Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

const FIELDS: [&str; 12] = [
    "Package",
    "Version",
    "Architecture",
    "Priority",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Conflicts",
    "Breaks",
    "Filename",
    "Size",
    "SHA256",
];

#[derive(Clone, Copy)]
enum Field {
    Package,
    Version,
    Architecture,
    Priority,
    PreDepends,
    Depends,
    Provides,
    Conflicts,
    Breaks,
    Filename,
    Size,
    Sha256,
}

#[derive(Clone, Copy, Default)]
struct Record {
    fields: [Span; FIELDS.len()],
    suite: u16,
    /// Taken without being asked for by suite.
    automatic: bool,
}

#[derive(Clone, Copy)]
struct Provided {
    name: Span,
    package: PackageId,
}

impl Index {
    /// Adds the packages of one index file. `suite` is a number that the caller gives a meaning.
    pub(crate) fn read(&mut self, reader: &mut dyn BufRead, suite: u16, automatic: bool) -> io::Result<()> {
        let mut line = Vec::new();
        let empty = Record {
            suite,
            automatic,
            ..Record::default()
        };
        let mut record = empty;
        let mut current = None;
        let mut read_bytes = 0;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line)?;
            read_bytes += read;
            if read_bytes > INDEX_SIZE_BYTES_MAX {
                return Err(invalid("it is longer than any package index"));
            }
            if read == 0 || line == b"\n" {
                self.push(std::mem::replace(&mut record, empty))?;
                current = None;
                if read == 0 {
                    return Ok(());
                }
                continue;
            }
            let text = std::str::from_utf8(&line).map_err(|_| invalid("it is not UTF-8"))?;
            current = self.read_line(text.trim_end(), &mut record, current)?;
        }
    }

    fn read_line(
        &mut self,
        line: &str,
        record: &mut Record,
        current: Option<usize>,
    ) -> io::Result<Option<usize>> {
        if line.starts_with([' ', '\t']) {
            if let Some(field) = current {
                self.text.push_str(line);
                record.fields[field].end = self.position()?;
            }
            return Ok(current);
        }
        let Some((name, value)) = line.split_once(':') else {
            return Ok(None);
        };
        let Some(field) = FIELDS.iter().position(|field| *field == name) else {
            return Ok(None);
        };
        let start = self.position()?;
        self.text.push_str(value.trim());
        record.fields[field] = Span {
            start,
            end: self.position()?,
        };
        Ok(Some(field))
    }

    fn position(&self) -> io::Result<u32> {
        u32::try_from(self.text.len()).map_err(|_| invalid("it is longer than any package index"))
    }

    fn push(&mut self, record: Record) -> io::Result<()> {
        let text = |field: Field| self.slice(record.fields[field as usize]);
        if text(Field::Package).is_empty() {
            return Ok(());
        }
        let needed = [
            Field::Version,
            Field::Architecture,
            Field::Filename,
            Field::Size,
            Field::Sha256,
        ];
        if needed.into_iter().any(|field| text(field).is_empty()) {
            return Err(invalid(&format!(
                "the package {} lacks a field",
                text(Field::Package)
            )));
        }
        let id =
            PackageId(u32::try_from(self.packages.len()).map_err(|_| invalid("it has too many packages"))?);
        let provides = record.fields[Field::Provides as usize];
        let provided = groups(self.slice(provides)).flatten().map(|relation| Provided {
            name: self.span_of(relation.name),
            package: id,
        });
        let provided: Vec<Provided> = provided.collect();
        self.provided.extend(provided);
        self.packages.push(record);
        Ok(())
    }

    /// The range of a slice of `self.text`.
    fn span_of(&self, slice: &str) -> Span {
        let start = slice.as_ptr() as usize - self.text.as_ptr() as usize;
        let number =
            |offset: usize| u32::try_from(offset).expect("positions were checked when the text grew");
        Span {
            start: number(start),
            end: number(start + slice.len()),
        }
    }

    /// Sorts what was read. To be called once, after the last index file.
    pub(crate) fn finish(&mut self) {
        let mut by_name: Vec<PackageId> = (0..self.packages.len())
            .map(|id| PackageId(u32::try_from(id).expect("checked in push")))
            .collect();
        by_name.sort_by(|a, b| {
            self.name(*a)
                .cmp(self.name(*b))
                .then_with(|| self.better_first(*a, *b))
        });
        let mut provided = std::mem::take(&mut self.provided);
        provided.sort_by(|a, b| {
            self.slice(a.name)
                .cmp(self.slice(b.name))
                .then_with(|| {
                    priority_rank(self.priority(a.package)).cmp(&priority_rank(self.priority(b.package)))
                })
                .then_with(|| self.name(a.package).cmp(self.name(b.package)))
                .then_with(|| self.better_first(a.package, b.package))
        });
        self.by_name = by_name;
        self.provided = provided;
    }

    /// Automatic suites first, then the later version, then the earlier suite.
    fn better_first(&self, a: PackageId, b: PackageId) -> Ordering {
        let (first, second) = (self.record(a), self.record(b));
        second
            .automatic
            .cmp(&first.automatic)
            .then_with(|| version::compare(self.version(b), self.version(a)))
            .then_with(|| first.suite.cmp(&second.suite))
    }

    /// Returns the packages of this name, the best candidate first.
    pub(crate) fn named(&self, name: &str) -> &[PackageId] {
        let start = self.by_name.partition_point(|id| self.name(*id) < name);
        let len = self.by_name[start..].partition_point(|id| self.name(*id) == name);
        &self.by_name[start..start + len]
    }

    /// Returns the packages that provide a name, in order of preference: by priority, then by name.
    pub(crate) fn providing(&self, name: &str) -> impl Iterator<Item = PackageId> {
        let start = self
            .provided
            .partition_point(|provided| self.slice(provided.name) < name);
        let len = self.provided[start..].partition_point(|provided| self.slice(provided.name) == name);
        self.provided[start..start + len]
            .iter()
            .map(|provided| provided.package)
    }

    /// Returns whether a package satisfies a relation, by itself or by what it provides (policy 7.5: a constraint is
    /// met only by a versioned provision).
    pub(crate) fn satisfies(&self, id: PackageId, relation: &Relation<'_>) -> bool {
        if !self.has_qualifier(id, relation.qualifier) {
            return false;
        }
        if self.name(id) == relation.name && relation.accepts(self.version(id)) {
            return true;
        }
        groups(self.field(id, Field::Provides)).flatten().any(|provided| {
            provided.name == relation.name
                && match (relation.constraint, provided.constraint) {
                    (None, _) => true,
                    (Some(wanted), Some(given)) => wanted.accepts(given.version),
                    (Some(_), None) => false,
                }
        })
    }

    /// `any` and `native` mean the one architecture of a base; another must be the package's own.
    fn has_qualifier(&self, id: PackageId, qualifier: Option<&str>) -> bool {
        match qualifier {
            None | Some("any" | "native") => true,
            Some(architecture) => [architecture, "all"].contains(&self.field(id, Field::Architecture)),
        }
    }

    /// Returns all names, each once, for suggestions.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let mut last = "";
        self.by_name.iter().map(|id| self.name(*id)).filter(move |name| {
            let new = *name != last;
            last = name;
            new
        })
    }

    pub(crate) fn name(&self, id: PackageId) -> &str {
        self.field(id, Field::Package)
    }

    pub(crate) fn version(&self, id: PackageId) -> &str {
        self.field(id, Field::Version)
    }

    fn priority(&self, id: PackageId) -> &str {
        self.field(id, Field::Priority)
    }

    /// Returns what a package needs: the groups of `Pre-Depends` and `Depends`.
    pub(crate) fn needs(&self, id: PackageId) -> impl Iterator<Item = Vec<Relation<'_>>> {
        let fields = [Field::PreDepends, Field::Depends].map(|field| self.field(id, field));
        fields
            .into_iter()
            .flat_map(|field| field.split(','))
            .map(alternatives)
            .filter(|group| !group.is_empty())
    }

    /// Returns what a package cannot be installed with: `Conflicts` and `Breaks`.
    pub(crate) fn rejects(&self, id: PackageId) -> impl Iterator<Item = Relation<'_>> {
        let fields = [Field::Conflicts, Field::Breaks].map(|field| self.field(id, field));
        fields.into_iter().flat_map(groups).flatten()
    }

    /// Returns where the package file is, below the archive's address.
    pub(crate) fn path(&self, id: PackageId) -> &str {
        self.field(id, Field::Filename)
    }

    pub(crate) fn size(&self, id: PackageId) -> Option<u64> {
        self.field(id, Field::Size).parse().ok()
    }

    pub(crate) fn sha256(&self, id: PackageId) -> &str {
        self.field(id, Field::Sha256)
    }

    pub(crate) fn suite(&self, id: PackageId) -> u16 {
        self.record(id).suite
    }

    fn record(&self, id: PackageId) -> &Record {
        &self.packages[id.0 as usize]
    }

    fn field(&self, id: PackageId, field: Field) -> &str {
        self.slice(self.record(id).fields[field as usize])
    }

    fn slice(&self, span: Span) -> &str {
        &self.text[span.start as usize..span.end as usize]
    }
}

/// The order of priorities (policy 2.5); an unknown one comes last.
fn priority_rank(priority: &str) -> usize {
    const ORDER: [&str; 5] = ["required", "important", "standard", "optional", "extra"];
    ORDER
        .iter()
        .position(|name| *name == priority)
        .unwrap_or(ORDER.len())
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
