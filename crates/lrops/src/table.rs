//! Tables of text: columns as wide as they must be, two spaces between.

/// How a column is aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table that is being filled.
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Starts a table with these heads.
    pub(crate) fn new(heads: &[(&str, Align)]) -> Self {
        let names = heads.iter().map(|(name, _)| (*name).to_owned()).collect();
        Self {
            aligns: heads.iter().map(|(_, align)| *align).collect(),
            rows: vec![names],
        }
    }

    /// Adds a row, which must have as many cells as there are heads.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.aligns.len());
        self.rows.push(cells.iter().map(|cell| harmless(cell)).collect());
    }
}

/// Returns a text without control characters: what images and registries say could move the cursor.
pub(crate) fn harmless(text: &str) -> String {
    text.replace(char::is_control, " ")
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |column: usize| {
            self.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.aligns.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), align) in row.iter().zip(&widths).zip(&self.aligns) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let padding = " ".repeat(width - cell.chars().count());
                match align {
                    Align::Left => line.extend([cell.as_str(), &padding]),
                    Align::Right => line.extend([&padding, cell.as_str()]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let mut table = Table::new(&[
            ("name", Align::Left),
            ("size", Align::Right),
            ("where", Align::Left),
        ]);
        table.row(vec!["a".into(), "12.3 MB".into(), "here".into()]);
        table.row(vec!["longer".into(), "1 B".into(), String::new()]);
        assert_eq!(
            table.to_string(),
            "name       size  where\n\
             a       12.3 MB  here\n\
             longer      1 B\n"
        );
    }
}
