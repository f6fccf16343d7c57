//! Tables that people make, and what is left out of their data.

use super::{DataError, Split, io};
use std::path::{Path, PathBuf};

/// Words of a split column that a message names.
const WORDS: usize = 5;
/// Pictures that a message names.
const NAMED: usize = 3;

/// A table with named columns.
pub(super) struct Table {
    pub path: PathBuf,
    pub columns: Vec<String>,
    pub rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(path: PathBuf) -> Result<Self, DataError> {
        let failed = |error| DataError::Csv { path: path.clone(), error };
        let bytes = std::fs::read(&path).map_err(io(&path))?;
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter(&bytes)).trim(csv::Trim::All).from_reader(&*bytes);
        let columns = reader.headers().map_err(failed)?.iter().map(str::to_owned).collect();
        let rows = reader.records().collect::<Result<_, _>>().map_err(failed)?;
        Ok(Self { path, columns, rows })
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    pub fn require(&self, name: &str) -> Result<usize, DataError> {
        self.column(name)
            .ok_or_else(|| DataError::Empty { path: self.path.clone(), reason: format!("no column '{name}'") })
    }

    /// The rows with the part that each belongs to, by its word in a column. Rows of other words are told and left out.
    ///
    /// # Errors
    /// No row has a word that is known; names those that there are.
    pub fn in_parts(&self, column: usize) -> Result<Vec<(Split, &csv::StringRecord)>, DataError> {
        let rows: Vec<_> = self.rows.iter().filter_map(|row| Some((split(&row[column])?, row))).collect();
        let mut unknown: Vec<&str> =
            self.rows.iter().map(|row| &row[column]).filter(|word| split(word).is_none()).collect();
        let others = unknown.len();
        unknown.sort_unstable();
        unknown.dedup();
        unknown.truncate(WORDS);
        let words = unknown.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
        if rows.is_empty() && others > 0 {
            let column = &self.columns[column];
            let reason = format!("the column '{column}' has {words}; it must have train, val or test");
            return Err(DataError::Empty { path: self.path.clone(), reason });
        }
        if others > 0 {
            tracing::warn!("{}: {others} rows of other parts are left out: {words}", self.path.display());
        }
        Ok(rows)
    }

    /// The tables of a pack: `labels.csv`, then every `labels_*.csv` beside it by name.
    pub fn of(folder: &Path) -> Result<Vec<Self>, DataError> {
        let mut tables = vec![Self::read(folder.join("labels.csv"))?];
        for path in files(folder, "csv")? {
            if path.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("labels_")) {
                tables.push(Self::read(path)?);
            }
        }
        Ok(tables)
    }
}

/// The files of a folder with an ending, sorted.
pub(super) fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What stands between cells: of comma, semicolon and tab the one that the header has most of.
fn delimiter(table: &[u8]) -> u8 {
    let header = table.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |of: u8| header.iter().filter(|byte| **byte == of).count();
    // The last of equals is the comma.
    [b'\t', b';', b','].into_iter().max_by_key(|of| count(*of)).unwrap_or(b',')
}

/// The part that a table's word, or a folder's name, means.
pub(super) fn split(word: &str) -> Option<Split> {
    match word.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Split::Train),
        "val" | "valid" | "validation" | "dev" => Some(Split::Val),
        // Packs for evaluation only have one part.
        "test" | "testing" | "eval" | "id50" => Some(Split::Test),
        _ => None,
    }
}

/// Those of `read` that could be read; the others are told, and left out.
///
/// # Errors
/// The first one's, where none could.
pub(super) fn readable<T>(folder: &Path, read: Vec<Result<T, DataError>>) -> Result<Vec<T>, DataError> {
    let (all, mut good, mut bad) = (read.len(), Vec::new(), Vec::new());
    for one in read {
        match one {
            Ok(one) => good.push(one),
            Err(error) => bad.push(error),
        }
    }
    if good.is_empty() && !bad.is_empty() {
        return Err(bad.swap_remove(0));
    }
    for error in bad.iter().take(NAMED) {
        tracing::warn!("left out: {error}");
    }
    if !bad.is_empty() {
        tracing::warn!("{}: {} of {all} pictures could not be read and are left out", folder.display(), bad.len());
    }
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_apart_as_the_header_has_it() {
        for (table, expected) in
            [("a,b;c\n", b','), ("a;b;c,d\n1,2,3,4,5", b';'), ("a\tb\n", b'\t'), ("one", b','), ("", b',')]
        {
            assert_eq!(delimiter(table.as_bytes()), expected, "{table}");
        }
    }
}
