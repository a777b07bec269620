//! `RUN --mount` as it was written, until its values are expanded.
//!
//! Even the type and the keys' values may hold variables, so only what no expansion can mend is refused here; the rest
//! comes out when the mount is resolved, and a stage that nothing needs may hold a wrong one, as in the reference.

use super::csv::fields;
use super::mount::{Mount, ResolveMountError};
use crate::syntax::{Fault, Word, rules};

/// The value of one `--mount` flag, its fields still to be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFlag {
    /// The whole value, as written behind `--mount=`.
    pub text: Word,
    fields: Vec<MountField>,
}

/// One field, `key=value` or `key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountField {
    /// The field as written.
    pub(super) text: String,
    /// The key in small letters.
    pub(super) key: String,
    pub(super) value: Option<String>,
}

impl MountFlag {
    /// Returns the stage, context or image that the mount comes from; variables are not allowed in it.
    pub fn from(&self) -> Option<&str> {
        let from = self
            .fields
            .iter()
            .rfind(|field| field.key == "from" && field.value.is_some());
        from?.value.as_deref().filter(|value| !value.is_empty())
    }

    /// Returns the mount, after expanding the value of each field.
    ///
    /// # Errors
    /// When a value cannot be expanded, or the fields make no mount.
    pub fn resolve<E, F>(&self, mut expand: F) -> Result<Mount, ResolveMountError<E>>
    where
        E: std::error::Error + 'static,
        F: FnMut(&str) -> Result<String, E>,
    {
        let mut fields = self.fields.clone();
        for field in &mut fields {
            if let Some(value) = &mut field.value {
                *value = expand(value).map_err(ResolveMountError::Expand)?;
            }
        }
        Mount::from_fields(&fields).map_err(ResolveMountError::Invalid)
    }

    pub(super) fn read(word: &Word) -> Result<Self, Fault> {
        let fault = |message: String| Fault::error(rules::INVALID_MOUNT, message, &word.span);
        let fields =
            fields(&word.text).map_err(|error| fault(format!("failed to parse csv mounts: {error}")))?;
        let flag = Self {
            text: word.clone(),
            fields: fields.iter().map(|field| MountField::read(field)).collect(),
        };
        if let Some(field) = flag.fields.iter().find(|field| field.has_forbidden_variable()) {
            let message = format!(
                "'{}' doesn't support variable expansion, define alias stage instead",
                field.key
            );
            return Err(fault(message));
        }
        Ok(flag)
    }
}

impl MountField {
    fn read(text: &str) -> Self {
        let (key, value) = text
            .split_once('=')
            .map_or((text, None), |(key, value)| (key, Some(value)));
        Self {
            key: key.to_lowercase(),
            value: value.map(str::to_owned),
            text: text.to_owned(),
        }
    }

    fn has_forbidden_variable(&self) -> bool {
        let value = self.value.as_deref().unwrap_or_default();
        let dollar = value.find('$');
        self.key == "from" && dollar.is_some_and(|dollar| dollar + 1 != value.len())
    }
}
