//! Paragraphs of `Field: value` lines (`deb-control(5)`, deb822).

/// One paragraph: its fields in order. A folded value keeps its line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// Returns a field's value; names are compared without case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let field = self
            .fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(&field.1)
    }
}

/// Splits a text into paragraphs, which empty lines separate. Lines that are neither field nor continuation are left
/// out, as are comments.
pub(crate) fn paragraphs(text: &str) -> Vec<Paragraph> {
    let mut all = Vec::new();
    let mut current = Paragraph::default();
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            all.push(std::mem::take(&mut current));
        } else if line.starts_with('#') {
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = current.fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim_start());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            current.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    all.push(current);
    all.retain(|paragraph| !paragraph.fields.is_empty());
    all
}
